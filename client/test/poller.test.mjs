// The whole script in a tab: when it polls, and when it does not.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeStorage, item, page, Tab } from './tab.mjs';

const LOST = 'Live updates disconnected, retrying...';
const stored = (values) => {
  const storage = new FakeStorage();
  Object.entries(values).forEach(([key, value]) => storage.setItem(key, value));
  return storage;
};

/** A tab that has had its first answer, with the cursor c1, and polls again after a whole interval. */
async function opened(options, headers) {
  const tab = new Tab(options);
  tab.random = 1;
  await (await tab.request()).reply({ ...page(), cursor: 'c1' }, headers);
  tab.random = 0.5;
  return tab;
}

/** Asserts that nothing more is sent for an hour. */
async function silent(tab) {
  const before = tab.requests.length;
  await tab.advance(3_600_000);
  assert.equal(tab.requests.length, before, 'no more requests');
}

test('the first poll goes out at once, as the contract has it', async () => {
  const tab = new Tab();
  const { url, init, at } = await tab.request();
  assert.deepEqual([url, at], ['/api/notifications?limit=50&resume=legacy', 0]);
  assert.equal(init.credentials, 'include');
  assert.deepEqual({ ...init.headers }, { Accept: 'application/json', 'Sluice-Client': tab.window.sluice.version });
  assert.match(tab.window.sluice.version, /^\d+\.\d+\.\d+$/);
});

test('it waits for the page\'s other scripts', async () => {
  for (const ready of ['DOMContentLoaded', 'load']) {
    const tab = new Tab({ readyState: 'interactive' });
    await tab.advance(10_000);
    assert.equal(tab.requests.length, 0);
    tab.happens(ready);
    await tab.request();
    assert.equal(tab.requests.length, 1, ready);
  }
});

test('DOMContentLoaded and load start it once', async () => {
  const tab = new Tab({ readyState: 'interactive' });
  tab.happens('DOMContentLoaded');
  tab.window.sluice.stop();
  tab.happens('load');
  await silent(tab);
});

test('a second script tag does nothing', async () => {
  const tab = await opened();
  const handle = tab.window.sluice;
  tab.load();
  await tab.advance(1000);
  assert.equal(tab.requests.length, 1);
  assert.equal(tab.window.sluice, handle);
});

test('options of the script tag', async () => {
  const tab = await opened({ dataset: { interval: '10', adaptive: 'false' } });
  await tab.advance(9_999);
  assert.equal(tab.requests.length, 1);
  await tab.advance(1);
  assert.equal(tab.requests.length, 2);
  for (let i = 3; i < 30; i++) {
    await tab.requests.at(-1).reply(page());
    await tab.advance(10_000);
    assert.equal(tab.requests.length, i, 'never rarer');
  }
});

test('intervals that make no sense are five seconds', async () => {
  for (const interval of ['0', '-5', '0.01', 'fast', '']) {
    const tab = await opened({ dataset: { interval } }, { 'X-Poll-Interval': '0' });
    await tab.advance(4_999);
    assert.equal(tab.requests.length, 1, interval);
    await tab.advance(1);
    assert.equal(tab.requests.length, 2, interval);
  }
});

test('the server\'s interval counts when it is longer', async () => {
  const tab = await opened({ dataset: { adaptive: 'false' } }, { 'X-Poll-Interval': '0' });
  await tab.advance(5_000);
  for (const [header, wait] of [['2', 5_000], ['60', 60_000], ['99999999999', 3_600_000]]) {
    await (await tab.request()).reply(page(), { 'X-Poll-Interval': header });
    await tab.advance(wait - 1);
    const before = tab.requests.length;
    await tab.advance(1);
    assert.equal(tab.requests.length, before + 1, header);
  }
});

test('one request at a time, whatever happens', async () => {
  const tab = new Tab();
  const everything = () => {
    tab.hide(); tab.show();
    tab.happens('online'); tab.happens('pageshow', { persisted: true });
    tab.window.sluice.start();
  };
  for (let round = 0; round < 20; round++) {
    everything();
    await tab.advance(1000);
    everything();
    await tab.advance(1500);
    if (round % 3 === 1) { tab.happens('pagehide'); tab.happens('pageshow', { persisted: true }); }
    if (round % 3 === 2) { tab.window.sluice.stop(); tab.window.sluice.start(); }
    await tab.requests.at(-1).reply(page());
    everything();
  }
  assert.ok(tab.requests.length >= 10, `${tab.requests.length} requests`);
  assert.equal(tab.most, 1);
  tab.requests.reduce((last, { at }) => (assert.ok(at - last >= 1000, `at ${at}`), at), -1000);
});

test('a hidden tab does not poll, and polls as soon as it is shown', async () => {
  const tab = await opened();
  tab.hide();
  await silent(tab);
  tab.show();
  await tab.request();
  assert.equal(tab.requests.length, 2);
});

test('a tab that opens hidden waits to be shown', async () => {
  const tab = new Tab({ hidden: true });
  await silent(tab);
  tab.show();
  assert.equal((await tab.request()).at, tab.now);
});

test('hidden during a fetch: the answer is used, and nothing follows', async () => {
  const tab = await opened();
  await tab.advance(5_000);
  tab.hide();
  await tab.requests[1].reply({ ...page('a'), cursor: 'c2', has_more: true });
  assert.deepEqual(tab.created, ['a']);
  assert.equal(tab.session.getItem('last_notification_cursor'), 'c2');
  await silent(tab);
});

test('hidden and shown again during a fetch: the loop goes on', async () => {
  const tab = await opened();
  await tab.advance(5_000);
  tab.hide(); tab.show();
  await tab.requests[1].reply(page());
  await tab.advance(5_000);
  assert.equal(tab.requests.length, 3);
});

test('flipping through tabs polls once a second at most', async () => {
  const tab = await opened();
  for (let i = 0; i < 40; i++) {
    tab.hide(); tab.show();
    await tab.advance(100);
    if (tab.requests.at(-1).open) await tab.requests.at(-1).reply(page());
  }
  assert.deepEqual(tab.requests.map(({ at }) => at), [0, 1000, 2000, 3000, 4000]);
});

test('back/forward cache: drops the request without a word, and goes on when back', async () => {
  const tab = await opened();
  await tab.advance(5_000);
  tab.happens('pagehide');
  await tab.advance(0);
  assert.equal(tab.requests[1].open, false);
  await silent(tab);
  tab.happens('pageshow', { persisted: true });
  await tab.request();
  assert.equal(tab.requests.length, 3);
  assert.deepEqual(tab.toasts, []);
});

test('the first pageshow is no reason to poll', async () => {
  const tab = await opened();
  await tab.advance(2_000);
  tab.happens('pageshow', { persisted: false });
  await tab.advance(0);
  assert.equal(tab.requests.length, 1);
});

test('online polls at once', async () => {
  const tab = await opened();
  await tab.advance(2_000);
  tab.happens('online');
  assert.equal((await tab.request()).at, 2_000);
});

test('stop and start', async () => {
  const tab = await opened();
  const { sluice } = tab.window;
  await tab.advance(5_000);
  assert.equal(sluice.running, true);
  sluice.stop();
  assert.equal(sluice.running, false);
  await tab.requests[1].reply(page('a'));
  tab.hide(); tab.show(); tab.happens('online');
  await silent(tab);
  assert.deepEqual(tab.events, [], 'nothing is delivered after stop, and it is no outage');
  sluice.start();
  await (await tab.request()).reply(page('a'));
  assert.deepEqual(tab.created, ['a']);
});

test('stopped while hidden and started when shown, it goes on', async () => {
  const tab = await opened();
  tab.hide();
  tab.window.sluice.stop();
  tab.show();
  await tab.advance(5_000);
  tab.window.sluice.start();
  await tab.request();
  assert.equal(tab.requests.length, 2);
});

test('starting what runs changes nothing', async () => {
  const tab = await opened();
  await tab.advance(2_000);
  tab.window.sluice.start();
  await tab.advance(2_999);
  assert.equal(tab.requests.length, 1);
});

test('a listener may stop polling; the page it is in is still used', async () => {
  const tab = await opened();
  tab.window.addEventListener('notification:created', () => tab.window.sluice.stop());
  await tab.advance(5_000);
  await tab.requests[1].reply({ ...page('a', 'b'), cursor: 'c2' });
  assert.deepEqual(tab.created, ['a', 'b']);
  assert.equal(tab.session.getItem('last_notification_cursor'), 'c2');
  await silent(tab);
});

test('one toast for an outage, one for the next', async () => {
  const tab = await opened({ dataset: { adaptive: 'false' } });
  const waits = [];
  await tab.advance(5_000);
  for (let i = 0; i < 8; i++) {
    const { at } = tab.requests.at(-1);
    await (i % 2 ? tab.requests.at(-1).fail() : tab.requests.at(-1).refuse(502));
    while (!tab.requests.at(-1).open) await tab.advance(100);
    waits.push(tab.requests.at(-1).at - at);
  }
  assert.deepEqual(waits, [500, 1000, 2000, 4000, 8000, 15000, 15000, 15000], 'half of 1, 2, 4 … 30 s');
  assert.deepEqual(tab.details('toast'), [{ type: 'error', text: LOST }]);
  await tab.requests.at(-1).reply(page());
  await tab.advance(5_000);
  await tab.requests.at(-1).fail();
  assert.deepEqual(tab.toasts, [LOST, LOST]);
});

test('stopped and started in an outage, it is the same outage', async () => {
  const tab = await opened();
  await tab.advance(5_000);
  await tab.requests.at(-1).fail();
  tab.window.sluice.stop();
  tab.window.sluice.start();
  await tab.advance(1_000);
  await tab.requests.at(-1).fail();
  assert.deepEqual(tab.toasts, [LOST]);
});

test('going offline is looked into at once', async () => {
  const tab = await opened();
  await tab.advance(2_000);
  tab.happens('offline');
  await (await tab.request()).fail();
  assert.equal(tab.requests.length, 2);
  assert.deepEqual(tab.toasts, [LOST]);
});

test('after a sleep it polls at once, wherever its timers stand', async () => {
  const tab = await opened({ dataset: { interval: '3600' } });
  await tab.sleep(60_000);
  assert.equal(tab.requests.length, 2);
});

test('every poll but the first says how long ago the last success was', async () => {
  const tab = new Tab({ dataset: { adaptive: 'false' } });
  const elapsed = () => tab.requests.at(-1).init.headers['Sluice-Elapsed'];
  await (await tab.request()).reply(page());
  assert.equal(elapsed(), undefined);
  await tab.advance(2_500);
  assert.equal(elapsed(), '3');
  await tab.requests.at(-1).fail();
  await tab.advance(1_000);
  assert.equal(elapsed(), '3');
  await tab.requests.at(-1).reply(page());
  tab.hide();
  await tab.advance(600_000);
  tab.show();
  await tab.request();
  assert.equal(elapsed(), '600');
});

test('news makes rare polls frequent again', async () => {
  const tab = await opened();
  let last = 0;
  for (let i = 0; i < 20; i++) {
    while (!tab.requests.at(-1).open) await tab.advance(250);
    last = tab.now;
    await tab.requests.at(-1).reply(i < 19 ? page() : { ...page('a'), cursor: 'c2' });
  }
  const { length } = tab.requests;
  await tab.advance(5_000);
  assert.equal(tab.requests.length, length + 1);
});

test('stopped, it leaves nothing behind', async () => {
  const tab = await opened();
  tab.window.sluice.stop();
  assert.equal(tab.timers, 0);
  const listeners = () => [tab.window.listeners, tab.document.listeners];
  const before = listeners();
  tab.window.sluice.start();
  assert.notDeepEqual(listeners(), before);
  tab.window.sluice.stop();
  assert.deepEqual(listeners(), before);
});

test('every kind of nonsense is a failure', async () => {
  for (const body of ['<html>', null, {}, { notifications: 'x' }]) {
    const tab = new Tab();
    await (await tab.request()).reply(body);
    assert.deepEqual(tab.toasts, [LOST], JSON.stringify(body));
    await tab.advance(1_000);
    assert.equal(tab.requests.length, 2);
  }
});

test('a request that hangs is given up after ten seconds', async () => {
  const tab = await opened();
  await tab.advance(5_000 + 9_999);
  assert.equal(tab.requests[1].open, true);
  await tab.advance(1);
  assert.equal(tab.requests[1].open, false);
  assert.deepEqual(tab.toasts, [LOST]);
  await tab.advance(1_000);
  assert.equal(tab.requests.length, 3);
});

test('Retry-After is obeyed, even by a tab that is shown', async () => {
  const tab = await opened();
  await tab.advance(5_000);
  await tab.requests[1].refuse(503, { 'Retry-After': '20' });
  tab.hide(); tab.show(); tab.happens('online');
  await tab.advance(19_999);
  assert.equal(tab.requests.length, 2);
  await tab.advance(1_000);
  assert.equal(tab.requests.length, 3);
});

test('a failure while hidden is no outage', async () => {
  const tab = await opened();
  await tab.advance(5_000);
  tab.hide();
  await tab.requests[1].fail();
  await silent(tab);
  assert.deepEqual(tab.toasts, []);
  tab.show();
  assert.equal((await tab.request()).open, true);
});

test('401 and 403 end polling until the tab is shown again, and are told once', async () => {
  for (const status of [401, 403]) {
    const tab = await opened();
    await tab.advance(5_000);
    await tab.requests[1].refuse(status);
    assert.equal(tab.window.sluice.running, false);
    tab.happens('online');
    await silent(tab);
    for (let i = 0; i < 2; i++) {
      tab.hide(); tab.show();
      await (await tab.request()).refuse(status);
      await tab.advance(1_000);
    }
    assert.deepEqual(tab.events, [['notification:unauthorized', null]]);
    assert.equal(tab.requests.length, 4);

    tab.hide(); tab.show();
    await (await tab.request()).reply(page());
    assert.equal(tab.window.sluice.running, true);
    await tab.advance(5_000);
    await tab.requests.at(-1).refuse(status);
    assert.equal(tab.details('notification:unauthorized').length, 2, 'a new sign-out is told again');
  }
});

test('shown again does not start what the page stopped', async () => {
  const tab = await opened();
  await tab.advance(5_000);
  await tab.requests[1].refuse(401);
  tab.window.sluice.stop();
  tab.hide(); tab.show();
  await silent(tab);
});

test('has_more is drained at once, one request after the other', async () => {
  const tab = await opened();
  await tab.advance(5_000);
  const at = tab.now;
  for (const n of [2, 3, 4]) await (await tab.request()).reply({ ...page(`n${n}`), cursor: `c${n}`, has_more: n < 4 });
  assert.deepEqual(tab.requests.slice(1).map((r) => [r.params.get('after_id'), r.at]), [['c1', at], ['c2', at], ['c3', at]]);
  assert.deepEqual(tab.toasts, ['text of n2', 'text of n3', 'text of n4']);
  await tab.advance(4_999);
  assert.equal(tab.requests.length, 4);
});

test('draining ends after twenty pages, and starts afresh at the next poll', async () => {
  const tab = await opened();
  let n = 1;
  for (const polls of [21, 41]) {
    await tab.advance(5_000);
    while (tab.requests.at(-1).open) {
      await tab.requests.at(-1).reply({ ...page(`n${++n}`), cursor: `c${n}`, has_more: true });
      await tab.advance(0);
    }
    assert.equal(tab.requests.length, polls);
  }
});

test('draining ends when the cursor stands still', async () => {
  const tab = await opened();
  await tab.advance(5_000);
  await tab.requests[1].reply({ ...page('a'), cursor: 'c1', has_more: true });
  await tab.advance(4_999);
  assert.equal(tab.requests.length, 2);
});

test('reset takes over the cursor and shows nothing twice', async () => {
  const tab = await opened({ local: stored({ last_notification_cursor: 'c0', last_notification_id: 'z' }) });
  await tab.advance(5_000);
  await tab.requests[1].reply({ ...page('a'), cursor: 'c2' });
  await tab.advance(5_000);
  await tab.requests[2].reply({ ...page(item('old', { age: 500 }), 'a', 'b'), cursor: 'r1', reset: true });
  assert.deepEqual(tab.created, ['a', 'old', 'b']);
  assert.deepEqual(tab.toasts, ['text of a', 'text of b']);
  await tab.advance(5_000);
  assert.equal(tab.requests[3].params.get('after_id'), 'r1');
  assert.equal(tab.local.getItem('last_notification_id'), 'b');
});

test('a cursor that the server cannot read is given up, step by step', async () => {
  const tab = new Tab({ local: stored({ last_notification_cursor: 'bad', last_notification_id: 'worse' }) });
  for (const after of ['bad', 'worse', null]) {
    assert.equal((await tab.request()).params.get('after_id'), after);
    await tab.requests.at(-1).refuse(422);
    await tab.advance(30_000);
  }
});

test('what only passes by on its way to a part of the page is not the page\'s', async () => {
  const tab = await opened();
  await tab.advance(2_000);
  for (const bubbles of [false, true]) {
    for (const name of ['freeze', 'resume', 'visibilitychange']) tab.document.passes(new Event(name, { bubbles }));
    for (const name of ['online', 'offline', 'pagehide', 'pageshow']) tab.window.passes(new Event(name, { bubbles }));
  }
  await tab.advance(2_999);
  assert.equal(tab.requests.length, 1);
  await tab.advance(1);
  assert.equal(tab.requests.length, 2);
  await tab.requests[1].refuse(401);
  for (let i = 0; i < 5; i++) tab.window.passes(new Event('focus')); // somebody fills in a form
  await silent(tab);
});

test('a key that goes to a part of the page is a use of it', async () => {
  const tab = await opened();
  for (let i = 0; i < 20; i++) {
    while (!tab.requests.at(-1).open) await tab.advance(250);
    await tab.requests.at(-1).reply(page());
  }
  const { length } = tab.requests;
  await tab.advance(1_000);
  tab.window.passes(new Event('keydown'));
  await tab.request();
  assert.equal(tab.requests.length, length + 1);
});

test('a page whose fetch cannot be aborted does not hold it up for ever', async () => {
  const tab = await opened();
  const { fetch } = tab.window;
  tab.window.fetch = (url, init) => fetch(url, { ...init, signal: new AbortController().signal });
  await tab.advance(5_000);
  const [, hung] = tab.requests;
  await tab.advance(11_000);
  assert.deepEqual(tab.toasts, [LOST]);
  assert.equal(tab.requests.length, 3);
  await tab.requests[2].reply({ ...page('a'), cursor: 'c2' });
  await hung.reply({ ...page('late'), cursor: 'c9' });
  assert.deepEqual(tab.created, ['a'], 'and what was given up is not used');
});
