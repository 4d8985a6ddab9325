// The drop-in: pages written against EventSource poll, and run unchanged.

import { expect, test } from './world.mjs';

const OLD = '/dashboard/old';

/** A world whose old pages have the drop-in, and bounded streams that would end every second. */
async function withDropIn(start, options = {}) {
  const world = await start({ compat: { max_duration: '1s', old_page_duration: '1s' }, ...options });
  await world.useDropIn();
  await world.signIn('alice');
  return world;
}

test('the old page polls: each item once, with its events, and no alarm', async ({ start }) => {
  const world = await withDropIn(start);
  const tabs = [await world.open(OLD), await world.open(OLD), await world.open('/dashboard/new')];
  const texts = [];
  for (const text of ['first', 'second', 'third']) {
    texts.push(text);
    await world.insert({ text, context: { job_id: 'j1' } });
    for (const tab of tabs) await tab.shows(...texts);
  }
  const [item] = await tabs[0].seen('job:activity');
  expect(item).toMatchObject({ text: 'first', context: { job_id: 'j1' } });
  expect(item.created_at).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/); // as the stream has it
  expect(await tabs[0].seen('visible toast')).toEqual(texts.map((text) => ({ text, href: '/dashboard/jobs/j1' })));
  for (const tab of tabs) {
    expect(await tab.outages()).toBe(0);
    expect(tab.streams).toBe(0);
  }
  expect(await world.metric('sluice_polls_total{client="drop-in",result="items"}')).toBeGreaterThan(0);
});

test('a page\'s EventSource is the browser\'s in every respect it can tell', async ({ start }) => {
  const world = await withDropIn(start);
  const tab = await world.open(OLD);
  await expect.poll(() => tab.page.evaluate(() => window.__es.readyState)).toBe(1);
  expect(await tab.page.evaluate(() => {
    const attempt = (action) => { try { return action(); } catch (error) { return error.name; } };
    const source = new EventSource('/api/stream', { withCredentials: true });
    const closed = new EventSource('/api/stream');
    closed.close();
    class Mine extends EventSource {}
    return {
      instance: source instanceof EventSource && source instanceof EventTarget && new Mine('/api/stream') instanceof Mine,
      text: String(source), name: EventSource.name, length: EventSource.length,
      constants: [EventSource.CONNECTING, EventSource.OPEN, EventSource.CLOSED, source.CONNECTING, source.OPEN, source.CLOSED],
      own: [source.url, source.withCredentials, source.readyState, source.onopen, closed.readyState],
      refusals: [attempt(() => EventSource('/api/stream')), attempt(() => new EventSource('http://:')), attempt(() => new EventSource())],
      keeps: attempt(() => { source.onmessage = 5; return source.onmessage; }),
    };
  })).toEqual({
    instance: true, text: '[object EventSource]', name: 'EventSource', length: 1, constants: [0, 1, 2, 0, 1, 2],
    own: [`${world.url}/api/stream`, true, 0, null, 2], refusals: ['TypeError', 'SyntaxError', 'TypeError'], keeps: null,
  });
});

test('a page may override, wrap and inspect it, and what stays native stays what it was', async ({ start }) => {
  const world = await withDropIn(start);
  const tab = await world.open(OLD);
  expect(await tab.page.evaluate(async () => {
    class Mine extends EventSource {
      closings = 0;
      onmessage = null;
      close() { this.closings++; super.close(); }
    }
    const mine = new Mine('/api/stream');
    mine.close();
    const wrapped = new EventSource('/api/stream');
    wrapped.close = () => EventSource.prototype.close.call(wrapped);
    wrapped.close();
    const native = new EventSource('/api/pipelines/stream?job_id=none');
    const before = [native.readyState, new URL(native.url).pathname, native.withCredentials, native.onerror];
    await new Promise((resolve) => { native.onerror = resolve; });
    native.close();
    let refusal;
    try { EventSource.prototype.readyState; } catch (error) { refusal = error.name; }
    return { mine: [mine.closings, mine.readyState], wrapped: wrapped.readyState, own: Object.keys(new EventSource('/api/stream')), before, after: native.readyState, refusal };
  })).toEqual({
    mine: [1, 2], wrapped: 2, own: [], before: [0, '/api/pipelines/stream', false, null], after: 2, refusal: 'TypeError',
  });
});

test('handlers that throw stop nothing', async ({ start }) => {
  const world = await withDropIn(start);
  const tab = await world.open(OLD);
  await tab.page.evaluate(() => {
    const source = new EventSource('/api/stream');
    source.onmessage = () => { throw new Error('a handler of the page'); };
    source.addEventListener('message', ({ data }) => window.seen.push({ kind: 'event', detail: JSON.parse(data).data.text }));
  });
  await world.insert('first');
  await tab.shows('first');
  await world.insert('second');
  await tab.shows('first', 'second');
  expect(await tab.seen('event')).toEqual(['first', 'second']);
  expect(tab.faults.splice(0)).toEqual(Array(2).fill('Error: a handler of the page'));
});

test('the pipeline\'s stream stays native', async ({ start }) => {
  const world = await withDropIn(start);
  const tab = await world.open(OLD);
  await tab.page.getByLabel('Delay').fill('0');
  await tab.page.getByRole('button', { name: 'Start' }).click();
  await expect(tab.page.getByText('finished · notifications: 1')).toBeVisible();
});

test('an outage is one alarm in each old page, and nothing is lost', async ({ start }) => {
  const world = await withDropIn(start);
  const tabs = [await world.open(OLD), await world.open(OLD)];
  await world.insert('before');
  for (const tab of tabs) await tab.shows('before');
  for (const outages of [1, 2]) {
    await world.sluice.stop('SIGKILL');
    for (const tab of tabs) await expect.poll(() => tab.outages()).toBe(outages);
    await world.insert(`meanwhile ${outages}`);
    await tabs[0].page.waitForFunction((n) => performance.getEntriesByType('resource').filter(({ name, responseStatus }) =>
      name.includes('/api/notifications') && !responseStatus).length >= n, 3 * outages); // it has tried again, more than once
    await world.startSluice();
    const texts = ['before', 'meanwhile 1', 'meanwhile 2'].slice(0, outages + 1);
    for (const tab of tabs) await tab.shows(...texts);
  }
  for (const tab of tabs) expect(await tab.outages()).toBe(2);
});

test('signed out, the old page says so once and asks no more', async ({ start }) => {
  const world = await withDropIn(start);
  const tab = await world.open(OLD);
  await world.insert('before');
  await tab.shows('before');
  await world.signOut();
  await expect.poll(() => tab.outages()).toBe(1);
  await expect.poll(() => tab.polls.filter((status) => status === 401).length).toBe(2); // its next EventSource asks once
  await world.insert('meanwhile');
  await world.signIn('alice');
  expect(tab.polls.filter((status) => status === 401)).toHaveLength(2);
  await tab.hide();
  await tab.show();
  await tab.shows('before', 'meanwhile');
  expect(await tab.outages()).toBe(1);
});

test('back to the stream and forward again, an old page sees nothing of it', async ({ start }) => {
  const world = await withDropIn(start, { compat: {} });
  const tab = await world.open(OLD);
  await world.insert('before');
  await tab.shows('before');
  await world.changeFlags({ transport: 'sse', stream: 'upstream' }); // its place is Sluice's, so its stream is bridged
  await expect.poll(() => tab.streams).toBe(1);
  await world.insert('on the stream');
  await tab.shows('before', 'on the stream');
  await world.changeFlags({ transport: 'poll', stream: 'bridge' });
  await tab.page.evaluate(() => window.dispatchEvent(new Event('focus')));
  await tab.polled(2);
  await world.insert('by polls');
  await tab.shows('before', 'on the stream', 'by polls');
  expect(await tab.outages()).toBe(0);
});

test('put in by Sluice, the old page needs no edit; a page that has it twice has it once', async ({ start }) => {
  const world = await start({ compat: { inject_shim: true, max_duration: '1s', old_page_duration: '1s' } });
  await world.signIn('alice');
  const injected = await world.open(OLD);
  await world.useDropIn();
  const twice = await world.open(OLD);
  for (const texts of [['first'], ['first', 'second']]) {
    await world.insert(texts.at(-1));
    for (const tab of [injected, twice]) await tab.shows(...texts);
  }
  for (const tab of [injected, twice]) {
    expect(tab.streams).toBe(0);
    expect(await tab.outages()).toBe(0);
  }
  expect(await world.metric('sluice_shim_injections_total{result="injected"}')).toBeGreaterThanOrEqual(2);
});
