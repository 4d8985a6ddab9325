// The whole script in a tab: what the page gets to see.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hashKey } from '../.build/hash.js';
import { FakeStorage, item, page, Tab } from './tab.mjs';

const stored = (values) => {
  const storage = new FakeStorage();
  Object.entries(values).forEach(([key, value]) => storage.setItem(key, value));
  return storage;
};
const after = (id) => stored({ last_notification_id: id });

/** A tab whose first request was answered with `body`. */
async function answered(body, options, headers) {
  const tab = new Tab(options);
  await (await tab.request()).reply(body, headers);
  return tab;
}

test('events of an item, oldest item first', async () => {
  const first = item('a', { level: 'error', context: { document_id: 'd', job_id: 7 } });
  const tab = await answered(page(first, item('b', { level: 'success' }), item('c', { level: 'odd' })), { local: after('x') });
  assert.deepEqual(tab.events.slice(0, 4), [
    ['toast', { type: 'error', text: 'text of a', href: '/dashboard/documents/d' }],
    ['notification:created', first], ['document:activity', first], ['job:activity', first],
  ]);
  assert.deepEqual(tab.events.slice(4).map(([name]) => name), ['toast', 'notification:created', 'toast', 'notification:created']);
  assert.deepEqual(tab.details('toast').map(({ type, href }) => [type, href]).slice(1), [['success', null], ['info', null]]);
});

test('a new tab does not replay the day in toasts', async () => {
  const items = [item('old', { age: 121 }), item('seen', { seen_at: 'x' }), item('gone', { dismissed_at: 'x' }), item('new', { age: 119 })];
  const tab = await answered(page(...items));
  assert.deepEqual(tab.created, ['old', 'seen', 'gone', 'new']);
  assert.deepEqual(tab.toasts, ['text of new']);
});

test('what follows a cursor is toasted however old it is', async () => {
  const tab = await answered(page(item('old', { age: 9999 })), { local: after('x') });
  assert.deepEqual(tab.toasts, ['text of old']);
});

test('age is judged by the server\'s clock', async () => {
  const headers = { 'X-Poll-Interval': '5', Date: 'Fri, 02 Jan 2026 05:04:05 GMT' }; // two hours ahead of the tab
  const body = page(item('old', { age: 0 }), item('new', { age: -7190 }));
  assert.deepEqual((await answered(body, {}, headers)).toasts, ['text of new']);
});

test('nothing is shown twice in a tab, over reloads and pages of repeats', async () => {
  const ids = Array.from({ length: 100 }, (_, i) => `n${i}`);
  const tab = await answered({ ...page(...ids), cursor: 'c1' });
  await tab.advance(5_000);
  await tab.requests.at(-1).reply({ ...page('late', ...ids, 'n100'), cursor: 'c2' });
  assert.deepEqual(tab.created, [...ids, 'late', 'n100']);
  const { local, session } = tab;
  const reloaded = await answered(page(...ids, 'late', 'n100', 'n101'), { local, session });
  assert.equal(reloaded.requests[0].params.get('after_id'), 'c2');
  assert.deepEqual(reloaded.created, ['n101']);
});

test('the old page\'s history holds here too', async () => {
  const session = stored({ __toast_history_v1: JSON.stringify([hashKey('a:info:text of a')]) });
  const tab = await answered(page('a', 'b'), { session });
  assert.deepEqual(tab.created, ['b']);
  assert.deepEqual(JSON.parse(session.getItem('__toast_history_v1')), [...tab.window.__notifiedIds]);
});

test('the cursor moves only after the items were shown', async () => {
  const tab = new Tab({ local: after('x') });
  const at = [];
  tab.window.addEventListener('notification:created', () => {
    at.push([tab.session.getItem('last_notification_id'), tab.window.__notifiedIds.size]);
  });
  await (await tab.request()).reply(page('a', 'b'));
  assert.deepEqual(at, [['x', 0], ['x', 1]], 'position, and number of items remembered, at each event');
  assert.equal(tab.session.getItem('last_notification_id'), 'b');
});

test('each tab has its own position; a new one starts from the browser\'s', async () => {
  const local = new FakeStorage();
  const one = await answered({ ...page('a'), cursor: 'c1' }, { local });
  const two = await answered({ ...page('b'), cursor: 'c2' }, { local });
  assert.equal(two.requests[0].params.get('after_id'), 'c1');
  await one.advance(5_000);
  assert.equal(one.requests[1].params.get('after_id'), 'c1');
  assert.equal((await new Tab({ local }).request()).params.get('after_id'), 'c2');
});

test('storage that is blocked or full costs nothing but the memory over a reload', async () => {
  const full = Object.assign(new FakeStorage(), { setItem() { throw new DOMException('full', 'QuotaExceededError'); } });
  const blocked = Object.defineProperties({}, {
    localStorage: { get() { throw new DOMException('blocked', 'SecurityError'); } },
    sessionStorage: { get() { throw new DOMException('blocked', 'SecurityError'); } },
  });
  const blockedTab = () => {
    const tab = new Tab({ readyState: 'interactive' });
    Object.defineProperties(tab.window, Object.getOwnPropertyDescriptors(blocked));
    tab.happens('load');
    return tab;
  };
  for (const tab of [new Tab({ local: full, session: full }), blockedTab()]) {
    await (await tab.request()).reply({ ...page('a'), cursor: 'c1' });
    await tab.advance(5_000);
    assert.equal(tab.requests[1].params.get('after_id'), 'c1');
    await tab.requests[1].reply({ ...page('a', 'b'), cursor: 'c2' });
    assert.deepEqual(tab.created, ['a', 'b']);
    assert.deepEqual(tab.window.errors, []);
  }
});

test('listeners that throw stop nothing', async () => {
  const tab = new Tab({ local: after('x') });
  for (const name of ['toast', 'notification:created']) tab.window.addEventListener(name, () => { throw new Error(name); });
  await (await tab.request()).reply({ ...page('a', 'b'), cursor: 'c1' });
  assert.deepEqual(tab.created, ['a', 'b']);
  assert.equal(tab.window.errors.length, 4);
  await tab.advance(5_000);
  assert.equal(tab.requests[1].params.get('after_id'), 'c1');
});

test('a page that broke its own window stops nothing', async () => {
  const tab = new Tab({ local: after('x') });
  tab.window.dispatchEvent = () => { throw new Error('broken'); };
  tab.document.querySelector = () => { throw new Error('broken'); };
  await (await tab.request()).reply({ ...page('a'), cursor: 'c1' });
  await tab.advance(5_000);
  assert.equal(tab.requests[1].params.get('after_id'), 'c1');
});

test('malformed items are left out', async () => {
  const tab = await answered({ notifications: [item('b'), null, { id: 7 }, 'x', item('a', { context: '{' })], cursor: 'c1' });
  assert.deepEqual(tab.created, ['a', 'b']);
  assert.deepEqual(tab.details('notification:created').map(({ context }) => context), [{}, {}]);
});

test('htmx refreshes each element once an answer', async () => {
  const tab = new Tab();
  tab.elements = {
    '[data-document-detail][data-document-id="d\\"1"]': 'document', '[data-job-detail][data-job-id="7"]': 'job',
    '[data-documents-page]': 'documents', '[data-jobs-page]': 'jobs',
  };
  const about = (context) => item(`n${JSON.stringify(context)}`, { context });
  await (await tab.request()).reply(page(about({ document_id: 'd"1' }), about({ document_id: 'd"1', job_id: 7 }), about({ document_id: 'elsewhere' }), 'plain'));
  assert.deepEqual(tab.triggers, ['refreshDocument document', 'refreshJob job', 'refreshDocuments documents', 'refreshJobs jobs']);
  await tab.advance(5_000);
  await tab.requests[1].reply(page('plain'));
  assert.equal(tab.triggers.length, 4, 'nothing new, nothing to refresh');
});

test('without htmx there is nothing to refresh', async () => {
  const tab = new Tab({ page: { htmx: undefined } });
  tab.elements = { '[data-documents-page]': 'documents' };
  await (await tab.request()).reply(page('a'));
  assert.deepEqual([tab.created, tab.window.errors], [['a'], []]);
});

test('the bare app: context as text, ids as cursors, no headers', async () => {
  const row = (id, fields) => ({ ...item(id), context: '{"job_id":"j"}', created_at: '2026-01-02 03:04:00', ...fields });
  const tab = await answered(page(row('old', { created_at: '2026-01-02 02:00:00' }), row('a')), {}, {});
  assert.deepEqual(tab.created, ['old', 'a']);
  assert.deepEqual(tab.details('toast'), [{ type: 'info', text: 'text of a', href: '/dashboard/jobs/j' }]);
  await tab.advance(5_000);
  assert.equal(tab.requests[1].params.get('after_id'), 'a');
  await tab.requests[1].reply(page(), {});
  await tab.advance(5_000);
  assert.equal(tab.requests[2].params.get('after_id'), 'a');
  await tab.requests[2].reply(page(row('b')), {});
  assert.deepEqual(tab.local.values, new Map([['last_notification_id', 'b']]));
});

test('Sluice taken out: the cursor is dropped, and the id asked for instead', async () => {
  const tab = await answered({ ...page('a'), cursor: 'c1' });
  await tab.advance(5_000);
  await tab.requests[1].reply(page(item('old', { age: 9999 }), 'a', 'b'), {}); // the app does not know c1: its newest page
  assert.deepEqual(tab.created, ['a']);
  assert.equal((await tab.request()).params.get('after_id'), 'a');
  await tab.requests[2].reply(page('b'), {});
  assert.deepEqual(tab.toasts, ['text of a', 'text of b']);
  await tab.advance(5_000);
  assert.equal(tab.requests[3].params.get('after_id'), 'b');
  await tab.requests[3].reply({ ...page('c'), cursor: 'c3' }); // and put back in
  await tab.advance(5_000);
  assert.equal(tab.requests[4].params.get('after_id'), 'c3');
});

test('frames of one tab each show an item', async () => {
  const outer = await answered({ ...page('a'), cursor: 'c1' });
  const { local, session } = outer;
  const inner = await answered({ ...page('b'), cursor: 'c2' }, { local, session });
  await outer.advance(5_000);
  await outer.requests.at(-1).reply({ ...page('b'), cursor: 'c2' });
  for (const tab of [outer, inner]) assert.ok(tab.toasts.includes('text of b'));
});

test('an element of the page that is named like it is not it', async () => {
  const tab = await answered(page('a'), { page: { sluice: { id: 'sluice' } } });
  assert.deepEqual(tab.created, ['a']);
});

test('back from the back/forward cache: what the tab has shown meanwhile is not news, but this page has not had it', async () => {
  const first = await answered({ ...page('a'), cursor: 'c1' });
  first.happens('pagehide');
  const { local, session } = first;
  const second = await answered({ ...page('b', 'c'), cursor: 'c2' }, { local, session });
  assert.deepEqual(second.toasts, ['text of b', 'text of c']);
  second.happens('pagehide');
  await first.advance(60_000);
  first.happens('pageshow', { persisted: true });
  await (await first.request()).reply({ ...page('b', 'c', 'd'), cursor: 'c3' });
  assert.deepEqual(first.created, ['a', 'b', 'c', 'd']);
  assert.deepEqual(first.toasts, ['text of a', 'text of d']);
  const third = await answered({ ...page('b', 'c', 'd'), cursor: 'c3' }, { local, session });
  assert.deepEqual(third.created, []);
});
