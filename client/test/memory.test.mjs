// What a tab remembers: its position, and what it has shown.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hashKey } from '../.build/hash.js';
import { createPosition } from '../.build/position.js';
import { createShown } from '../.build/shown.js';
import { safeStore } from '../.build/storage.js';
import { FakeStorage } from './tab.mjs';

const ID = 'last_notification_id';
const CURSOR = 'last_notification_cursor';
const HISTORY = '__toast_history_v1';
const store = (values = {}) => {
  const storage = new FakeStorage();
  Object.entries(values).forEach(([key, value]) => storage.setItem(key, value));
  return { storage, ...safeStore(() => storage) };
};
const answer = (fields = {}, ...ids) => ({ items: ids.map((id) => ({ id })), cursor: '', hasMore: false, reset: false, ...fields });

test('a store survives a storage that throws', () => {
  const broken = { getItem() { throw new Error('get'); }, setItem() { throw new Error('quota'); }, removeItem() { throw new Error('remove'); } };
  for (const open of [() => broken, () => { throw new Error('blocked'); }, () => null]) {
    const { get, set } = safeStore(open);
    assert.equal(get('key'), '');
    set('key', 'value');
    set('key', '');
  }
});

test('a position starts from the tab, else from the browser', () => {
  const cases = [
    [{}, {}, ''],
    [{}, { [ID]: 'b' }, 'b'],
    [{}, { [ID]: 'b', [CURSOR]: 'B' }, 'B'],
    [{ [ID]: 't' }, { [ID]: 'b', [CURSOR]: 'B' }, 't'],
    [{ [CURSOR]: 'T' }, { [ID]: 'b', [CURSOR]: 'B' }, 'T'],
  ];
  for (const [tab, browser, want] of cases) assert.equal(createPosition(store(tab), store(browser)).after, want);
});

test('a new tab keeps its start over a reload, however far others have got', () => {
  const [tab, browser] = [store(), store({ [ID]: 'a', [CURSOR]: 'A' })];
  createPosition(tab, browser);
  createPosition(store(), browser).moveTo(answer({ cursor: 'B' }, 'b'));
  assert.equal(createPosition(tab, browser).after, 'A');
  assert.equal(createPosition(store(), browser).after, 'B');
});

test('moveTo', () => {
  const cases = [
    ['items and cursor', answer({ cursor: 'C' }, 'c', 'd'), true, 'd', 'C'],
    ['empty', answer(), false, 'a', 'A'],
    ['empty with a cursor', answer({ cursor: 'C' }), true, 'a', 'C'],
    ['repeats from behind the place', answer({ cursor: 'A' }, 'x'), false, 'a', 'A'],
    ['items of the bare app', answer({}, 'c'), true, 'c', ''],
    ['empty reset', answer({ reset: true, cursor: '0' }), true, '', '0'],
  ];
  for (const [name, reply, moved, id, cursor] of cases) {
    const stores = [store({ [ID]: 'a', [CURSOR]: 'A' }), store({ [ID]: 'a', [CURSOR]: 'A' })];
    const position = createPosition(...stores);
    assert.equal(position.moveTo(reply), moved, name);
    assert.equal(position.after, cursor || id, name);
    assert.equal(position.opaque, cursor !== '', name);
    if (moved) for (const { get } of stores) assert.deepEqual([get(ID), get(CURSOR)], [id, cursor], name);
    if (cursor) position.stepBack();
    assert.equal(position.after, id, name);
  }
});

test('a place on the way through a backlog is the tab\'s own', () => {
  const [tab, browser] = [store(), store({ [ID]: 'a', [CURSOR]: 'A' })];
  const position = createPosition(tab, browser);
  position.moveTo(answer({ cursor: 'B', hasMore: true }, 'b'));
  assert.deepEqual([tab.get(CURSOR), browser.get(CURSOR)], ['B', 'A']);
  position.moveTo(answer({ cursor: 'C' }, 'c'));
  assert.deepEqual([tab.get(CURSOR), browser.get(CURSOR)], ['C', 'C']);
});

test('stepBack goes to the id, then to nothing', () => {
  const [tab, browser] = [store(), store({ [ID]: 'a', [CURSOR]: 'A' })];
  const position = createPosition(tab, browser);
  const seen = [position.after];
  position.stepBack();
  seen.push(position.after, browser.get(CURSOR));
  position.stepBack();
  assert.deepEqual([...seen, position.after, tab.get(ID)], ['A', 'a', '', '', '']);
});

const item = (id, text = 'text') => ({ id, level: 'info', text, context: {} });
const many = (count, from = 0) => Array.from({ length: count }, (_, i) => item(`n${from + i}`));
const show = (shown, items) => {
  const fresh = shown.fresh(items);
  fresh.forEach((it) => shown.remember(it));
  return fresh.map(({ id }) => id);
};

test('history has the old page\'s form, in both directions', () => {
  const [window, tab] = [{}, store({ [HISTORY]: JSON.stringify([hashKey('a:info:text'), 7]) })];
  assert.deepEqual(show(createShown(window, tab), [item('a'), item('b')]), ['b']);
  const keys = [hashKey('a:info:text'), hashKey('b:info:text')];
  assert.deepEqual(JSON.parse(tab.get(HISTORY)), keys);
  assert.deepEqual([...window.__notifiedIds], keys);
});

test('history that the old page holds is shared, even when it comes later', () => {
  const window = { __notifiedIds: new Set([hashKey('a:info:text')]) };
  const shown = createShown(window, store());
  assert.deepEqual(show(shown, [item('a'), item('b')]), ['b']);
  window.__notifiedIds = new Set([hashKey('c:info:text')]);
  assert.deepEqual(show(shown, [item('c'), item('d')]), ['d']);
  assert.ok(window.__notifiedIds.has(hashKey('d:info:text')));
});

test('broken history is no history', () => {
  for (const saved of ['{', 'null', '7', '{"a":1}', '[null,{}]']) {
    const window = { __notifiedIds: 'junk' };
    assert.deepEqual(show(createShown(window, store({ [HISTORY]: saved })), [item('a')]), ['a'], saved);
    assert.equal(window.__notifiedIds.size, 1);
  }
});

test('history keeps the newest 200', () => {
  const [window, tab] = [{}, store()];
  show(createShown(window, tab), many(250));
  assert.equal(window.__notifiedIds.size, 200);
  assert.equal(JSON.parse(tab.get(HISTORY)).at(-1), hashKey('n249:info:text'));
  assert.equal(JSON.parse(tab.get(HISTORY))[0], hashKey('n50:info:text'));
});

test('after a reload, new items in front of a page of repeats do not bring the repeats back', () => {
  const tab = store();
  show(createShown({}, tab), many(200));
  assert.deepEqual(show(createShown({}, tab), [item('late'), ...many(200)]), ['late']);
});

test('ids reach further back than the history', () => {
  const shown = createShown({}, store());
  show(shown, many(1000));
  assert.deepEqual(show(shown, many(1000)), []);
  show(shown, many(1, 1000));
  assert.deepEqual(show(shown, many(1)), ['n0'], 'the oldest of 1,001 is forgotten');
});

test('a repeated id is as good as new, and a page of any size is remembered', () => {
  const shown = createShown({}, store());
  show(shown, many(1000));
  show(shown, many(1));
  show(shown, many(500, 1000));
  assert.deepEqual(show(shown, many(1)), []);
  show(shown, many(1500, 5000));
  assert.deepEqual(show(shown, many(1500, 5000)), []);
});

test('one page holds an item once, and an id counts whatever its text', () => {
  const shown = createShown({}, store());
  assert.deepEqual(show(shown, [item('a'), item('a', 'other')]), ['a']);
  assert.deepEqual(show(shown, [item('a', 'third')]), []);
});
