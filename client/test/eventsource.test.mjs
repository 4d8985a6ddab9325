// The drop-in: what a page written against EventSource sees.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hashKey } from '../.build/hash.js';
import { Browser, item, page, Tab } from './tab.mjs';

const dropIn = (options) => new Tab({ script: 'eventsource', ...options });

/** Opens an EventSource and notes what it says. */
function listen(tab, url = '/api/stream', options) {
  const source = new tab.window.EventSource(url, options);
  source.log = [];
  source.onopen = () => source.log.push('open');
  source.onmessage = ({ data }) => source.log.push(JSON.parse(data).data.id);
  source.onerror = () => source.log.push(`error ${source.readyState}`);
  return source;
}

/** One that has had its first answer. */
async function opened(options) {
  const tab = dropIn(options);
  const source = listen(tab);
  tab.random = 1;
  await (await tab.request()).reply({ ...page('a'), cursor: 'c1' });
  tab.random = 0.5;
  return { tab, source };
}

/** What the old page does with its EventSource; see legacy-facts. */
function oldPage(tab) {
  const seen = { toasts: 0, ids: [], opened: 0 };
  let delay = 1000;
  const open = () => {
    const source = new tab.window.EventSource('/api/stream');
    seen.opened++;
    source.onopen = () => { delay = 1000; };
    source.onmessage = ({ data }) => seen.ids.push(JSON.parse(data).data.id);
    source.onerror = () => {
      source.close();
      seen.toasts++;
      tab.after(delay, open);
      delay = Math.min(30_000, delay * 2);
    };
  };
  open();
  return seen;
}

test('it looks like an EventSource', async () => {
  const tab = dropIn();
  const { EventSource } = tab.window;
  const source = new EventSource('/api/stream', { withCredentials: true });
  assert.ok(source instanceof EventSource);
  assert.deepEqual([EventSource.CONNECTING, EventSource.OPEN, EventSource.CLOSED, EventSource.name.length > 0], [0, 1, 2, true]);
  assert.deepEqual([source.readyState, source.url, source.withCredentials], [0, 'http://app.test/api/stream', true]);
  assert.deepEqual([source.onopen, source.onmessage, source.onerror], [null, null, null]);
  source.onmessage = 'not a function';
  assert.equal(source.onmessage, null);
  assert.throws(() => EventSource('/api/stream'), TypeError);
  assert.throws(() => { 'use strict'; source.readyState = 7; }, TypeError);
  class Mine extends EventSource { get mine() { return this.readyState; } }
  assert.equal(new Mine('/api/stream').mine, 0);
});

test('other addresses stay native', async () => {
  const tab = dropIn();
  for (const url of ['/api/pipelines/stream?job_id=1', 'http://other.test/api/stream', '/api/stream/', '/api/stream?last_event_id=c1', '/api/stream?lastEventId=7']) {
    tab.streams.length = 0;
    new tab.window.EventSource(url);
    assert.equal(tab.streams.length, 1, url);
  }
  await tab.advance(60_000);
  assert.equal(tab.requests.length, 0);
  for (const url of ['/api/stream', '/api/stream?x=1', 'http://app.test/api/stream#y', '../api/stream']) new tab.window.EventSource(url);
  assert.equal(tab.streams.length, 1);
});

test('it opens with the first answer, and says what came as the stream does', async () => {
  const tab = dropIn();
  const source = listen(tab);
  const events = [];
  source.addEventListener('message', ({ data, lastEventId, origin }) => events.push({ ...JSON.parse(data), lastEventId, origin }));
  const request = await tab.request();
  assert.equal(request.url, '/api/notifications?limit=20&resume=legacy');
  assert.match(request.init.headers['Sluice-Client'], /^drop-in\/\d/);
  assert.equal(source.readyState, 0);
  await request.reply({ ...page(item('a', { title: 'T', context: { job_id: 7 }, age: 9999 }), 'b'), cursor: 'c2' });
  assert.equal(source.readyState, 1);
  assert.deepEqual(source.log, ['open', 'a', 'b']);
  assert.deepEqual(events[0], {
    type: 'notification.created', lastEventId: '', origin: 'http://app.test',
    data: { id: 'a', level: 'info', text: 'text of a', title: 'T', created_at: '2026-01-02 00:17:26', context: { job_id: 7 } },
  });
  assert.equal(events[1].lastEventId, 'c2');
});

test('empty answers and ends are nothing to the page; an item is said once', async () => {
  const { tab, source } = await opened();
  await tab.advance(5_000);
  await tab.requests.at(-1).reply(page());
  await tab.advance(5_000);
  await tab.requests.at(-1).reply({ ...page('a', 'b'), cursor: 'c2' });
  assert.deepEqual(source.log, ['open', 'a', 'b']);
});

test('the old page sees one error for an outage, and nothing in the middle of it', async () => {
  const tab = dropIn();
  const seen = oldPage(tab);
  await (await tab.request()).reply({ ...page('a'), cursor: 'c1' });
  for (const round of [1, 2]) {
    await tab.advance(5_000);
    for (let i = 0; i < 5; i++) {
      await tab.requests.at(-1).fail();
      while (!tab.requests.at(-1).open) await tab.advance(250);
    }
    assert.equal(seen.toasts, round);
    assert.equal(seen.opened, round + 1);
    await tab.requests.at(-1).reply({ ...page(`after ${round}`), cursor: `c${round + 1}` });
  }
  assert.deepEqual(seen.ids, ['a', 'after 1', 'after 2']);
});

test('a page that cannot be reached at first sees one error too, and retries are not its own', async () => {
  const tab = dropIn();
  const seen = oldPage(tab);
  await (await tab.request()).fail();
  for (let i = 0; i < 6; i++) {
    while (!tab.requests.at(-1).open) await tab.advance(250);
    await tab.requests.at(-1).fail();
  }
  assert.ok(tab.now > 20_000, 'they back off');
  assert.equal(seen.toasts, 1);
});

test('a plain page stays with its EventSource over an outage', async () => {
  const { tab, source } = await opened();
  await tab.advance(5_000);
  await tab.requests.at(-1).refuse(502);
  await tab.advance(1_000);
  await tab.requests.at(-1).refuse(502);
  await tab.advance(2_000);
  await tab.requests.at(-1).reply({ ...page('b'), cursor: 'c2' });
  assert.deepEqual(source.log, ['open', 'a', 'error 0', 'open', 'b']);
});

test('signed out: closed once, and silence until somebody is signed in again', async () => {
  const tab = dropIn();
  const seen = oldPage(tab);
  await (await tab.request()).reply({ ...page('a'), cursor: 'c1' });
  await tab.advance(5_000);
  await tab.requests.at(-1).refuse(401);
  await tab.advance(2_000);
  const { length } = tab.requests;
  assert.equal(length, 3);
  await tab.requests.at(-1).refuse(401); // the page's new EventSource asks once
  await tab.advance(3_600_000);
  assert.equal(tab.requests.length, length);
  assert.equal(seen.toasts, 1);
  assert.deepEqual(tab.details('notification:unauthorized'), [null]);
  tab.hide(); tab.show();
  await (await tab.request()).reply({ ...page('b'), cursor: 'c2' });
  assert.deepEqual(seen.ids, ['a', 'b']);
  assert.equal(seen.toasts, 1);
});

test('what a sign-out closed does not keep polls going', async () => {
  const { tab } = await opened();
  await tab.advance(5_000);
  await tab.requests.at(-1).refuse(401);
  await tab.advance(1_000);
  const later = listen(tab);
  await (await tab.request()).reply({ ...page('b'), cursor: 'c2' });
  assert.deepEqual(later.log, ['open', 'b']);
  later.close();
  const { length } = tab.requests;
  await tab.advance(60_000);
  assert.equal(tab.requests.length, length);
});

test('close ends it, and the last one ends the polls; a later one goes on from there', async () => {
  const { tab, source } = await opened();
  const second = listen(tab);
  await tab.advance(1_000);
  assert.deepEqual(second.log, ['open']);
  source.close();
  assert.equal(source.readyState, 2);
  await tab.advance(5_000);
  await tab.requests.at(-1).reply({ ...page('b'), cursor: 'c2' });
  assert.deepEqual([source.log, second.log], [['open', 'a'], ['open', 'b']]);
  second.close();
  const { length } = tab.requests;
  await tab.advance(60_000);
  assert.equal(tab.requests.length, length);
  const third = listen(tab);
  assert.equal((await tab.request()).params.get('after_id'), 'c2');
  await tab.requests.at(-1).reply({ ...page('c'), cursor: 'c3' });
  assert.deepEqual(third.log, ['open', 'c']);
});

test('a page that closes when hidden and opens when shown goes on', async () => {
  const { tab, source } = await opened();
  let next;
  tab.document.addEventListener('visibilitychange', () => {
    if (tab.document.hidden) source.close();
    else next = listen(tab);
  });
  tab.hide();
  await tab.advance(60_000);
  assert.equal(tab.requests.length, 1);
  tab.show();
  await (await tab.request()).reply({ ...page('b'), cursor: 'c2' });
  assert.deepEqual(next.log, ['open', 'b']);
});

test('one that is about to open when something comes opens for it', async () => {
  const { tab, source } = await opened();
  await tab.advance(5_000);
  const second = listen(tab);
  await tab.requests.at(-1).reply({ ...page('b'), cursor: 'c2' });
  assert.deepEqual([source.log, second.log], [['open', 'a', 'b'], ['open', 'b']]);
  await tab.advance(1_000);
  assert.deepEqual(second.log, ['open', 'b']);
});

test('a page that opens another in its error handler is not told of the same error again', async () => {
  const tab = dropIn();
  let opened = 0;
  const open = () => {
    const source = new tab.window.EventSource('/api/stream');
    if (++opened > 10) return;
    source.onerror = () => { source.close(); open(); };
  };
  open();
  await (await tab.request()).fail();
  assert.equal(opened, 2);
});

test('a handler that is replaced is replaced', async () => {
  const { tab, source } = await opened();
  const seen = [];
  source.onmessage = () => seen.push('old');
  source.onmessage = () => seen.push('new');
  await tab.advance(5_000);
  await tab.requests.at(-1).reply({ ...page('b'), cursor: 'c2' });
  source.onmessage = null;
  await tab.advance(5_000);
  await tab.requests.at(-1).reply({ ...page('c'), cursor: 'c3' });
  assert.deepEqual(seen, ['new']);
});

test('one closed before it opens says nothing', async () => {
  const { tab } = await opened();
  const source = listen(tab);
  source.close();
  await tab.advance(1_000);
  assert.deepEqual(source.log, []);
});

test('a user whom the gateway keeps on the stream gets the native one, from the same place', async () => {
  const tab = dropIn();
  const source = listen(tab);
  await (await tab.request()).reply({ ...page('a'), cursor: 'c1' }, { 'X-Poll-Interval': '5', 'Sluice-Transport': 'sse' });
  assert.equal(tab.streams[0].url, '/api/stream?last_event_id=c1');
  await tab.streams[0].opens();
  await tab.streams[0].sends(item('b'), 'c2');
  await tab.streams[0].ends();
  await tab.streams[0].opens();
  assert.deepEqual(source.log, ['open', 'a', 'b']);
});

test('old pages and new ones share one poller', async () => {
  const browser = new Browser();
  const old = dropIn({ browser });
  const source = listen(old);
  await (await old.request()).reply({ ...page('a'), cursor: 'c1' });
  const client = new Tab({ browser });
  await (await client.request()).reply(page()); // it starts where the browser is
  assert.equal(client.requests[0].params.get('after_id'), 'c1');
  while (!old.requests.at(-1).open) await browser.advance(100);
  await old.requests.at(-1).reply({ ...page('b'), cursor: 'c2' });
  assert.deepEqual([source.log, client.created], [['open', 'a', 'b'], ['b']]);
  assert.ok(client.window.__notifiedIds.has(hashKey('b:info:text of b')));
  assert.equal(client.requests.length, 1);
});

test('a page that closes when it opens has missed nothing when it opens again', async () => {
  const tab = dropIn();
  const first = listen(tab);
  first.addEventListener('open', () => first.close());
  await (await tab.request()).reply({ ...page('a'), cursor: 'c1' });
  assert.deepEqual(first.log, ['open']);
  const second = listen(tab);
  await tab.advance(1_000);
  await tab.requests.at(-1).reply({ ...page('a'), cursor: 'c1' });
  assert.deepEqual(second.log, ['open', 'a']);
});

test('a page that closes when it opens can open again, also when nothing came', async () => {
  const tab = dropIn();
  const first = listen(tab);
  first.addEventListener('open', () => first.close());
  await (await tab.request()).reply({ ...page(), cursor: '0' });
  const second = listen(tab);
  await tab.advance(1_000);
  await tab.requests.at(-1).reply(page());
  assert.deepEqual([first.log, second.log], [['open'], ['open']]);
});

test('a page that closes when something comes gets the rest when it opens again', async () => {
  const { tab, source } = await opened();
  source.addEventListener('message', () => source.close());
  await tab.advance(5_000);
  await tab.requests.at(-1).reply({ ...page('b', 'c', 'd'), cursor: 'c2' });
  assert.deepEqual(source.log, ['open', 'a', 'b']);
  const second = listen(tab);
  await tab.advance(1_000);
  await tab.requests.at(-1).reply({ ...page('b', 'c', 'd'), cursor: 'c2' });
  assert.deepEqual(second.log, ['open', 'c', 'd']);
});

test('what is closed in the error handler of another hears nothing more', async () => {
  for (const status of [502, 401]) {
    const { tab, source } = await opened();
    const second = listen(tab);
    await tab.advance(1_000);
    source.addEventListener('error', () => second.close());
    await tab.advance(4_000);
    await tab.requests.at(-1).refuse(status);
    assert.deepEqual([second.readyState, second.log], [2, ['open']]);
  }
});

test('a page may wrap, override and extend it', async () => {
  const { tab } = await opened();
  const { EventSource } = tab.window;
  class Mine extends EventSource {
    closings = 0;
    onmessage = null;
    get readyState() { return `state ${super.readyState}`; }
    close() { this.closings++; super.close(); }
  }
  const mine = new Mine('/api/stream');
  assert.equal(mine.readyState, 'state 0');
  mine.close();
  assert.deepEqual([mine.closings, mine.readyState], [1, 'state 2']);
  const wrapped = new EventSource('/api/stream');
  let closings = 0;
  const close = wrapped.close.bind(wrapped);
  Object.assign(wrapped, { close() { closings++; close(); } });
  wrapped.close();
  assert.deepEqual([closings, wrapped.readyState], [1, 2]);
  assert.deepEqual(Object.keys(new EventSource('/api/stream')), []);
  const other = new EventSource('/elsewhere');
  assert.deepEqual([other.readyState, other.url], [0, '/elsewhere']);
  other.close();
  assert.equal(other.readyState, 2);
});
