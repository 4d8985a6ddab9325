// The client on the stream: it goes there when a poll says so, and comes back.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Browser, item, page, Tab } from './tab.mjs';

const LOST = 'Live updates disconnected, retrying...';
const SSE = { 'X-Poll-Interval': '5', 'Sluice-Transport': 'sse' };
const POLL = { ...SSE, 'Sluice-Transport': 'poll' };

/** A tab whose first poll has sent it to the stream, which is open. */
async function streaming(options) {
  const tab = new Tab(options);
  await (await tab.request()).reply({ ...page('a'), cursor: 'c1' }, SSE);
  await tab.streams[0]?.opens();
  return tab;
}
const config = (tab, transport, status = 200) => tab.requests.at(-1).reply({ transport, poll_interval: 5, paused: false }, {}, status);
const isConfig = ({ url }) => url.startsWith('/_sluice/config?');
const polls = (tab) => tab.requests.filter((request) => !isConfig(request));

test('a poll that says sse opens the stream at the place it gave, and nothing polls any more', async () => {
  const tab = await streaming();
  assert.equal(tab.streams[0].url, '/api/stream?last_event_id=c1');
  assert.equal(tab.window.sluice.transport, 'sse');
  assert.deepEqual(tab.details('sluice:transport'), [{ transport: 'sse' }]);
  await tab.advance(50_000);
  assert.equal(tab.requests.length, 1);
  assert.equal(tab.streams.length, 1);
});

test('a poll that fails and says sse opens the stream all the same: that it fails may be why', async () => {
  const tab = new Tab();
  await (await tab.request()).reply({ ...page('a'), cursor: 'c1' }, POLL);
  await tab.advance(6_000);
  await (await tab.request()).reply({}, { 'Sluice-Transport': 'sse', 'Retry-After': '5' }, 503);
  assert.equal(tab.streams[0].url, '/api/stream?last_event_id=c1');
  assert.equal(tab.window.sluice.transport, 'sse');
  await tab.streams[0].opens();
  await tab.streams[0].sends(item('b'), 'c2');
  assert.deepEqual(tab.created, ['a', 'b']);
  await tab.advance(50_000);
  assert.equal(polls(tab).length, 2);
});

test('a poll that fails without a word of it, or before there is a place, opens no stream', async () => {
  for (const [first, headers] of [[{ ...page('a'), cursor: 'c1' }, {}], [{ ...page('a'), cursor: 'c1' }, { 'Sluice-Transport': 'poll' }], [undefined, { 'Sluice-Transport': 'sse' }]]) {
    const tab = new Tab();
    if (first) await (await tab.request()).reply(first, POLL);
    await tab.advance(6_000);
    await (await tab.request()).reply({}, headers, 503);
    assert.equal(tab.streams.length, 0);
    await tab.advance(15_000);
    assert.equal(tab.requests.length > 1, true);
  }
});

test('what the stream brings is shown, kept as the place, and gone on from by polls', async () => {
  const tab = await streaming();
  await tab.streams[0].sends(item('early'), ''); // nor has this one, and the stream has had none yet
  assert.equal(tab.session.getItem('last_notification_cursor'), 'c1');
  await tab.streams[0].sends(item('b', { age: 9999 }), 'c2');
  await tab.streams[0].sends(item('late'), 'c2'); // a repeat from behind the place, which has no id of its own
  await tab.streams[0].sends(item('a'), 'c2');
  assert.deepEqual(tab.created, ['a', 'early', 'b', 'late']);
  assert.deepEqual(tab.toasts, ['text of a', 'text of early', 'text of b', 'text of late']);
  assert.equal(tab.session.getItem('last_notification_cursor'), 'c2');
  assert.equal(tab.local.getItem('last_notification_id'), 'b');
  await tab.advance(1_000);
  tab.happens('online');
  assert.equal((await tab.request()).params.get('after_id'), 'c2');
  assert.equal(tab.streams[0].readyState !== 2, false);
});

test('other events and nonsense on the stream are nothing', async () => {
  const tab = await streaming();
  for (const data of ['', '{', 'null', '{"type":"error","data":{"message":"x"}}', '{"type":"notification.created","data":{"id":7}}']) {
    tab.streams[0].onmessage({ data, lastEventId: 'x' });
  }
  assert.deepEqual(tab.created, ['a']);
  assert.equal(tab.session.getItem('last_notification_cursor'), 'c1');
});

test('what is no item is echoed to the gateway, so that it knows what the stream lets through', async () => {
  const tab = await streaming();
  await tab.streams[0].onmessage({ data: '1764112345123', lastEventId: '' });
  assert.equal(tab.requests.at(-1).url, '/_sluice/config?1764112345123');
  await config(tab, 'sse');
  assert.equal(tab.session.getItem('last_notification_cursor'), 'c1');
  assert.equal(tab.streams[0].readyState !== 2, true);
  await tab.advance(60_000);
  assert.equal(tab.requests.at(-1).url, '/_sluice/config?', 'nothing to echo');
});

test('it asks about every minute whether to poll again, and then polls at once', async () => {
  const tab = await streaming();
  for (let i = 0; i < 3; i++) {
    await tab.advance(60_000);
    assert.ok(isConfig(tab.requests.at(-1)));
    await config(tab, 'sse');
    assert.equal(tab.streams[0].readyState !== 2, true);
  }
  await tab.advance(60_000);
  await config(tab, 'poll');
  assert.equal(tab.streams[0].readyState !== 2, false);
  await (await tab.request()).reply({ ...page('b'), cursor: 'c2' }, POLL);
  assert.equal(tab.requests.at(-1).params.get('after_id'), 'c1');
  assert.deepEqual(tab.details('sluice:transport'), [{ transport: 'sse' }, { transport: 'poll' }]);
  const { length } = polls(tab);
  await tab.advance(11_000);
  assert.ok(polls(tab).length > length);
  assert.equal(tab.streams.length, 1);
  await tab.requests.at(-1).reply(page(), SSE);
  const configs = tab.requests.filter(isConfig).length;
  await tab.advance(60_000);
  assert.equal(tab.requests.filter(isConfig).length, configs + 1, 'the first stream asks no more');
});

test('it asks when somebody looks at the page', async () => {
  const tab = await streaming();
  await tab.advance(1_000);
  tab.happens('focus');
  await tab.request();
  assert.ok(isConfig(tab.requests.at(-1)));
  await config(tab, 'poll');
  assert.equal((await tab.request()).params.get('after_id'), 'c1');
});

test('a gateway that cannot say changes nothing; one that is gone, or a user who is, is found out by a poll', async () => {
  const tab = await streaming();
  await tab.advance(60_000);
  await tab.requests.at(-1).fail();
  assert.equal(tab.streams[0].readyState !== 2, true);
  await tab.advance(60_000);
  await config(tab, undefined, 401);
  await (await tab.request()).refuse(401);
  assert.deepEqual(tab.details('notification:unauthorized'), [null]);
  assert.equal(tab.streams[0].readyState !== 2, false);
});

test('bounded ends are no outage', async () => {
  const tab = await streaming();
  for (let i = 0; i < 5; i++) {
    await tab.streams[0].ends();
    await tab.advance(2_000);
    await tab.streams[0].opens();
    assert.ok(isConfig(tab.requests.at(-1)), 'and a reason to ask');
    await config(tab, 'sse');
  }
  assert.deepEqual(tab.toasts, ['text of a']);
  assert.equal(tab.streams.length, 1);
});

test('a stream that does not come back is an outage if polls fail too: one toast, and back-off', async () => {
  const tab = await streaming();
  await tab.streams[0].ends();
  await tab.streams[0].ends();
  assert.equal(tab.streams[0].readyState !== 2, false);
  await tab.advance(1_000);
  await (await tab.request()).fail();
  assert.deepEqual(tab.toasts, ['text of a', LOST]);
  await tab.advance(1_000);
  await tab.requests.at(-1).reply({ ...page('b'), cursor: 'c2' }, SSE);
  assert.equal(tab.streams[1].url, '/api/stream?last_event_id=c2');
  assert.deepEqual(tab.toasts, ['text of a', LOST, 'text of b']);
  await tab.streams[1].opens();
  assert.equal(tab.requests.filter(isConfig).length, 0, 'the new one has not failed');
});

test('a stream that ends and comes back is not dead, however long that goes', async () => {
  const tab = await streaming();
  for (let minute = 0; minute < 8; minute++) {
    await tab.advance(60_000);
    await config(tab, 'sse');
    await tab.streams[0].ends();
    await tab.streams[0].opens();
    await config(tab, 'sse');
  }
  assert.equal(tab.streams.length, 1);
  assert.equal(tab.streams[0].readyState, 1);
});

test('a stream that is refused is not asked for again for a minute; polls go on', async () => {
  const tab = await streaming();
  await tab.streams[0].ends(true);
  await tab.advance(1_000);
  for (let i = 0; i < 11; i++) {
    assert.equal(tab.streams.length, 1);
    await tab.requests.at(-1).reply(page(), SSE);
    await tab.advance(5_000);
  }
  assert.equal(tab.window.sluice.transport, 'poll');
  await tab.advance(5_000);
  await tab.requests.at(-1).reply(page(), SSE);
  await tab.advance(5_000);
  await (await tab.request()).reply(page(), SSE);
  assert.equal(tab.streams.length, 2);
  assert.deepEqual(tab.toasts, ['text of a']);
});

test('a stream that never ends is dead, and so is every one after a sleep', async () => {
  const tab = await streaming();
  for (let i = 0; i < 5; i++) {
    await tab.advance(60_000);
    await config(tab, 'sse');
  }
  assert.equal(tab.streams[0].readyState !== 2, true);
  await tab.advance(60_000);
  assert.equal(tab.streams[0].readyState !== 2, false);
  await tab.requests.at(-1).reply(page(), SSE);
  assert.equal(tab.streams[1].readyState !== 2, true);
  await tab.sleep(30_000);
  assert.equal(tab.streams[1].readyState !== 2, false);
  assert.equal(tab.requests.at(-1).open, true);
});

test('a backlog is polled before the stream is opened', async () => {
  const tab = new Tab();
  await (await tab.request()).reply({ ...page('a'), cursor: 'c1', has_more: true }, SSE);
  assert.equal(tab.streams.length, 0);
  await (await tab.request()).reply({ ...page('b'), cursor: 'c2' }, SSE);
  assert.equal(tab.streams[0].url, '/api/stream?last_event_id=c2');
});

test('without a cursor of the gateway, or without EventSource, it goes on polling', async () => {
  for (const [body, options] of [[page('a'), {}], [{ ...page('a'), cursor: 'c1' }, { page: { EventSource: false } }]]) {
    const tab = new Tab(options);
    await (await tab.request()).reply(body, SSE);
    assert.equal(tab.streams.length, 0);
    await tab.advance(5_000);
    assert.equal(tab.requests.length, 2);
    assert.equal(tab.window.sluice.transport, 'poll');
  }
});

test('hidden, frozen and cached pages hold no stream', async () => {
  for (const [away, back] of [
    [(tab) => tab.hide(), (tab) => tab.show()],
    [(tab) => tab.document.dispatchEvent(new Event('freeze')), (tab) => tab.document.dispatchEvent(new Event('resume'))],
    [(tab) => tab.happens('pagehide'), (tab) => tab.happens('pageshow', { persisted: true })],
    [(tab) => tab.window.sluice.stop(), (tab) => tab.window.sluice.start()],
  ]) {
    const tab = await streaming();
    away(tab);
    assert.equal(tab.streams[0].readyState !== 2, false);
    await tab.advance(600_000);
    assert.equal(tab.requests.length, 1);
    back(tab);
    await (await tab.request()).reply({ ...page('b'), cursor: 'c2' }, SSE);
    assert.equal(tab.streams[1].url, '/api/stream?last_event_id=c2');
    assert.deepEqual(tab.created, ['a', 'b']);
  }
});

test('only the leader holds the stream; the others show what it brings', async () => {
  const browser = new Browser();
  const tabs = [];
  for (let i = 0; i < 3; i++) {
    const tab = new Tab({ browser });
    await (await tab.request()).reply({ ...page('a'), cursor: 'c1' }, SSE);
    tabs.push(tab);
  }
  const [leader, ...others] = tabs;
  await leader.streams[0].opens();
  await leader.streams[0].sends(item('b'), 'c2');
  await leader.streams[0].sends(item('late'), 'c2');
  await browser.advance(40_000, 1_000);
  tabs.forEach((tab) => assert.deepEqual(tab.created, ['a', 'b', 'late']));
  assert.equal(browser.leader, leader, 'it is heard of while nothing happens');
  others.forEach((tab) => {
    assert.equal(tab.streams.length, 0);
    assert.equal(tab.requests.length, 1);
    assert.equal(tab.window.sluice.transport, 'sse');
  });
  leader.halt();
  await browser.advance(12_000);
  assert.notEqual(browser.leader, leader);
  assert.equal(leader.streams[0].readyState !== 2, true);
  await leader.wakeUp();
  assert.equal(leader.streams[0].readyState !== 2, false, 'one that hung gives up its stream');
  browser.kill(browser.leader);
  browser.kill(browser.leader);
  await browser.advance(1_000);
  assert.equal(browser.leader, leader);
  await leader.requests.at(-1).reply(page(), SSE);
  assert.equal(leader.streams[1].url, '/api/stream?last_event_id=c2');
});

test('a leader that goes away closes its stream, and the next one opens its own', async () => {
  const browser = new Browser();
  for (let i = 0; i < 2; i++) {
    const tab = new Tab({ browser });
    await (await tab.request()).reply({ ...page('a'), cursor: 'c2' }, SSE);
  }
  const { leader } = browser;
  await leader.streams[0].opens();
  leader.hide();
  assert.equal(leader.streams[0].readyState !== 2, false);
  await browser.advance(1_000);
  assert.notEqual(browser.leader, leader);
  await browser.leader.requests.at(-1).reply(page(), SSE);
  assert.equal(browser.leader.streams[0].url, '/api/stream?last_event_id=c2');
});

test('a leader whose place was taken has missed nothing, in whatever order it learns of it', async () => {
  const browser = new Browser();
  for (let i = 0; i < 2; i++) {
    const tab = new Tab({ browser });
    await (await tab.request()).reply({ ...page('a'), cursor: 'c1' }, SSE);
  }
  const [hung, next] = browser.tabs;
  await hung.streams[0].opens();
  await browser.advance(20_000);
  hung.halt();
  while (browser.leader === hung) await browser.advance(100);
  await (await next.request()).reply({ ...page('b'), cursor: 'c2' }, SSE);
  hung.stopped.reverse(); // a browser promises no order between channels and locks
  await hung.wakeUp();
  await browser.advance(2_000);
  const asked = hung.requests.at(-1);
  if (asked.open) await asked.reply({ ...page('b'), cursor: 'c2' }, SSE);
  assert.equal(browser.leader, next);
  assert.deepEqual(hung.created, ['a', 'b']);
  assert.equal(hung.streams[0].readyState, 2);
});
