// The legacy stream as the gateway bridges it, and its end.

import { expect, test } from './world.mjs';

test('an old page stays whole over five ends of its stream', async ({ start }) => {
  const world = await start({ compat: { old_page_duration: '1s' } });
  await world.signIn('alice');
  await world.insert('before');
  const tab = await world.open('/dashboard/old');
  const texts = ['before'];
  const notify = async (text) => {
    texts.push(text);
    await world.insert(text);
  };
  for (let i = 1; i <= 5; i++) {
    await expect.poll(() => tab.streams).toBeGreaterThanOrEqual(i);
    await notify(`while stream ${i} is open`);
    await expect.poll(() => tab.outages(), { intervals: [20] }).toBeGreaterThanOrEqual(i);
    await notify(`after the end of stream ${i}`); // for a second the page has none
  }
  await notify('at last');
  await tab.shows(...texts);
  // A toast for each end and no more. The next end may come between the two looks, so look until none does.
  await expect.poll(async () => await tab.outages() - await ends(world)).toBe(0);
  expect(await ends(world)).toBeGreaterThanOrEqual(5);
});

test('a plain EventSource goes on where it was, over the ends of its stream', async ({ start }) => {
  const world = await start({ compat: { max_duration: '1s', old_page_duration: '1s' } });
  await world.signIn('alice');
  await world.insert('before');
  const tab = await world.open('/dashboard/new');
  await openPlain(tab, '/api/stream');
  const texts = ['before'];
  for (let i = 1; i <= 3; i++) {
    await expect.poll(() => received(tab)).toEqual(texts);
    await expect.poll(() => tab.streams).toBeGreaterThan(i);
    texts.push(`${i}`);
    await world.insert(`${i}`);
  }
  await expect.poll(() => received(tab)).toEqual(texts);
  expect((await tab.seen('event')).every(({ id }) => id)).toBe(true);
});

test('a stream asks its reader to wait a second or more before it comes back', async ({ start }) => {
  const world = await start();
  await world.signIn('alice');
  const first = await world.home.evaluate(async () => {
    const reader = (await fetch('/api/stream')).body.pipeThrough(new TextDecoderStream()).getReader();
    const { value } = await reader.read();
    await reader.cancel();
    return value;
  });
  expect(first).toMatch(/^: bridge\nretry: [12]\d{3}\n\n/);
});

test('retiring the stream stops a plain EventSource for good', async ({ start }) => {
  const world = await start({ compat: { max_duration: '1s', old_page_duration: '1s' } });
  await world.signIn('alice');
  await world.insert('before');
  const tab = await world.open('/dashboard/new');
  await openPlain(tab, '/api/stream');
  await expect.poll(() => received(tab)).toEqual(['before']);

  await world.changeFlags({ transport: 'poll', stream: 'retired' });
  await expect.poll(() => tab.page.evaluate(() => window.plain.readyState)).toBe(2); // CLOSED
  const { streams } = tab;
  await world.insert('later'); // and the page itself goes on polling
  await tab.shows('before', 'later');
  await tab.polled(4); // longer than any retry
  expect(tab.streams).toBe(streams);
  expect(await received(tab)).toEqual(['before']);
});

test('before the stream is retired, every old page is asked to reload once', async ({ start }) => {
  const world = await start({ compat: { max_duration: '1s', old_page_duration: '1s', say_farewell: true } });
  const farewell = 'Reload this page to keep live updates';
  await world.signIn('alice');
  const old = [await world.open('/dashboard/old'), await world.open('/dashboard/old')];
  const plain = await world.open('/dashboard/new');
  await openPlain(plain, '/api/stream');
  await expect.poll(() => Math.min(...[...old, plain].map((tab) => tab.streams))).toBeGreaterThan(3); // and each would be told again
  await world.insert('after');
  for (const tab of old) await tab.shows(farewell, 'after');
  await expect.poll(() => received(plain)).toEqual([farewell, 'after']);
  await plain.shows('after'); // what polls is not asked
  await expect.poll(() => world.metric('sluice_compat_legacy_clients'), { timeout: 15_000 }).toBe(1); // Redis is asked every 10 s
});

/** How many bridged streams have ended because their time was up. */
function ends(world) {
  return world.metric('sluice_compat_stream_closes_total{reason="bounded"}');
}

/** Opens an EventSource that leaves everything to the browser. */
async function openPlain(tab, url) {
  await tab.page.evaluate((url) => {
    window.plain = new EventSource(url);
    window.plain.onmessage = ({ data, lastEventId }) => window.seen.push({ kind: 'event', detail: { id: lastEventId, data } });
  }, url);
}

async function received(tab) {
  return (await tab.seen('event')).map(({ data }) => JSON.parse(data).data.text);
}

test('our client echoes the first heartbeat of its stream, so that the gateway knows it comes through', async ({ start }) => {
  const world = await start({ transport: 'sse', compat: { heartbeat: '200ms' } });
  await world.signIn('alice');
  await world.insert('before');
  const tab = await world.open('/dashboard/new');
  await tab.shows('before');
  await expect.poll(() => world.metric('sluice_compat_stream_echo_seconds_count')).toBe(1);
  expect(await world.metric('sluice_compat_stream_echo_seconds_bucket{le="5"}')).toBe(1);
});
