// SSE clients that others have written, in the browser and in Node. Each keeps its place in its own way, and reads the
// bridged stream without a gap: over the ends of its streams, and while the gateway is away.

import { extname, join } from 'node:path';
import * as readers from './readers.mjs';
import { expect, test } from './world.mjs';

const SHORT = { max_duration: '1s', old_page_duration: '1s' };
const BURST = 25; // more than the bridge reads at once

// Where a page finds what readers.mjs imports.
const MODULES = {
  'event-source-polyfill': 'node_modules/event-source-polyfill/src/eventsource.js',
  'reconnecting-eventsource': 'node_modules/reconnecting-eventsource/build/esm/reconnecting-eventsource.js',
  '@microsoft/fetch-event-source': 'node_modules/@microsoft/fetch-event-source/lib/esm/index.js',
};

const CLIENTS = [
  { name: 'EventSource of the browser', start: inPage, client: 'native' },
  { name: 'event-source-polyfill', start: inPage, client: 'polyfill' },
  { name: 'fetch-event-source', start: inPage, client: 'fetchEvents' },
  { name: 'reconnecting-eventsource', start: inPage, client: 'reconnecting' },
  { name: 'eventsource in Node', start: inNode, client: 'eventsource' },
  { name: 'event-source-polyfill in Node', start: inNode, client: 'polyfill' }, // which prints its failures
  { name: 'reconnecting-eventsource in Node', start: inNode, client: 'reconnecting' },
];

for (const { name, start: startReader, client } of CLIENTS) {
  test(`${name} reads everything once and in order`, async ({ start }) => {
    test.slow();
    const world = await start({ compat: SHORT });
    await world.signIn();
    const reader = await startReader(world, client);
    await meetEverything(world, reader);
    await reader.close();
  });
}

// Behind a proxy that says 502, EventSource gives up and the wrapper starts a new one. If it knows its place it puts that
// into the query; else the bridge has to remember where the browser was, and may repeat.
for (const { client, keeps } of [{ client: 'reconnecting', keeps: true }, { client: 'reconnectingByProperty', keeps: false }]) {
  test(`reconnecting-eventsource goes on after an answer of 502, ${keeps ? 'with' : 'without'} its place`, async ({ start }) => {
    test.slow();
    const world = await start({ compat: SHORT, front: true });
    await world.signIn();
    const reader = await inPage(world, client);
    const streams = [];
    reader.tab.page.on('request', (request) => streams.push(request.url()));
    await meetEverything(world, reader, { mayRepeat: !keeps });
    expect(streams.some((url) => url.includes('lastEventId='))).toBe(keeps);
  });
}

test('fetch-event-source stops while its page is hidden, and then goes on where it was', async ({ start }) => {
  const world = await start({ compat: SHORT });
  await world.signIn();
  const reader = await inPage(world, 'fetchEvents');
  const texts = async () => textsOf(await reader.items());
  await world.insert('before');
  await expect.poll(texts).toEqual(['before']);
  await reader.tab.hide();
  await expect.poll(() => world.metric('sluice_compat_streams')).toBe(0);
  await nextSecond();
  await world.insert('meanwhile');
  await reader.tab.show();
  await expect.poll(texts).toEqual(['before', 'meanwhile']);
});

test('fetch-event-source takes the first end for the last, unless its page says otherwise', async ({ start }) => {
  const world = await start({ compat: SHORT });
  await world.signIn();
  const reader = await inPage(world, 'fetchEventsAsItComes');
  await expect.poll(() => reader.count('finished')).toBe(1);
  expect(reader.tab.streams).toBe(1);
});

/**
 * Lets a reader meet all that can happen to a stream, from the time on when there is nothing to read, and so no place. It
 * must be shown everything in order, and once; one that keeps no place may be shown things again.
 */
async function meetEverything(world, reader, { mayRepeat = false } = {}) {
  const written = [];
  const write = async (...texts) => {
    written.push(...texts);
    await world.insert(...texts);
  };
  const read = async () => {
    const items = await reader.items();
    return mayRepeat ? [...new Map(items.map((item) => [item.id, item])).values()] : items;
  };
  const readAll = async () => {
    await expect.poll(async () => textsOf(await read()).sort(), { intervals: [50] }).toEqual(written.toSorted());
    await nextSecond();
  };
  const moreEnds = async (n) => {
    const ends = await reader.count('end');
    await expect.poll(() => reader.count('end'), { intervals: [20] }).toBeGreaterThanOrEqual(ends + n);
  };

  let between = 0; // how often something was certainly written while the reader had no stream
  for (let i = 1; between < 3; i++) {
    await moreEnds(1);
    const opens = await reader.count('open');
    await write(`after end ${i}`);
    if (await reader.count('open') === opens) between++;
    await readAll();
  }

  expect(await world.sluice.stop('SIGTERM')).toBe(0);
  await write(...Array.from({ length: BURST }, (_, i) => `during a restart ${i}`));
  await moreEnds(2); // one is perhaps that of the last stream
  await world.startSluice();
  await readAll();

  await world.sluice.stop('SIGKILL');
  await write('after a crash');
  await world.startSluice();
  await readAll();
  await write('at last');
  await readAll();

  const items = await read();
  expect(items).toEqual(items.toSorted(inOrder));
  expect(await reader.count('open')).toBeGreaterThan(3);
}

/** What is written within a second has no order in time, and what slides in behind a later item makes the bridge repeat. */
async function nextSecond() {
  const second = () => Math.floor(Date.now() / 1000);
  const now = second();
  await expect.poll(second, { intervals: [20] }).toBeGreaterThan(now);
}

function textsOf(items) {
  return items.map(({ text }) => text);
}

/** The app's order. */
function inOrder(a, b) {
  const [x, y] = [a, b].map(({ created_at, id }) => `${created_at} ${id}`);
  return x < y ? -1 : Number(x > y);
}

/** A client that a test has started. */
class Reader {
  /** `seen` returns the details of one kind of what readers.mjs has noted. */
  constructor(seen, { tab, close = () => {} }) {
    Object.assign(this, { seen, tab, close });
  }

  async count(kind) {
    return (await this.seen(kind)).length;
  }

  async items() {
    return (await this.seen('event')).map((data) => JSON.parse(data).data);
  }
}

/** Starts a client here, with the browser's cookies. */
async function inNode(world, client) {
  const cookies = await world.context.cookies(world.url);
  const headers = { Cookie: cookies.map(({ name, value }) => `${name}=${value}`).join('; ') };
  const seen = [];
  const source = await readers[client]({ url: `${world.url}/api/stream`, headers, seen });
  const details = async (kind) => seen.filter((one) => one.kind === kind).map(({ detail }) => detail);
  return new Reader(details, { close: () => source.close() });
}

/** Starts a client in a page that has no stream of its own. */
async function inPage(world, client) {
  const tab = await world.open('/');
  const files = `${world.url}/e2e/`;
  await tab.page.route(`${files}**`, (route) => {
    const file = join(import.meta.dirname, route.request().url().slice(files.length));
    return route.fulfill({ path: extname(file) ? file : `${file}.js`, contentType: 'text/javascript' });
  });
  const imports = Object.fromEntries(Object.entries(MODULES).map(([name, file]) => [name, files + file]));
  await tab.page.addScriptTag({ type: 'importmap', content: JSON.stringify({ imports }) });
  await tab.page.evaluate(async ({ files, client }) => {
    const readers = await import(`${files}readers.mjs`);
    await readers[client]({ url: '/api/stream', seen: window.seen });
  }, { files, client });
  await tab.page.unroute(`${files}**`); // the streams go their usual way
  return new Reader((kind) => tab.seen(kind), { tab });
}
