// Many tabs of one browser: one of them polls, all of them show, whatever becomes of the one.

import { expect, test } from './world.mjs';

const PATH = '/dashboard/new';

test('twelve new tabs and a job: one poller, and each tab shows it once', async ({ start }) => {
  test.slow(); // twelve windows
  const world = await start();
  await world.signIn('alice');
  const first = await world.open(PATH);
  await world.insert('before'); // or nobody could tell from the place before a user's first item whose that item is
  await first.shows('before');
  const others = await openAll(world, 11);
  const leader = await leaderOf([first, ...others]);
  const polls = () => [first, ...others].filter((tab) => tab !== leader).map(({ polls }) => polls.length);
  const before = polls();
  await world.startJob({ kind: 'report', text: 'by a job', delay: 0 });
  const all = async () => {
    await first.shows('before', 'by a job');
    for (const tab of others) await tab.shows('by a job');
  };
  await all();
  await leader.polled(5);
  await all();
  expect(polls()).toEqual(before);
  for (const tab of [first, ...others]) expect(await tab.outages()).toBe(0);
});

test('five old tabs beside three new ones, over HTTP/1.1', async ({ start }) => {
  const world = await start();
  await world.signIn('alice');
  const tabs = [...await openAll(world, 5, '/dashboard/old'), ...await openAll(world, 3)];
  for (const texts of [['first'], ['first', 'second']]) {
    await world.insert(texts.at(-1));
    for (const tab of tabs) await tab.shows(...texts);
  }
  for (const tab of tabs) expect(await tab.outages()).toBe(0);
});

// `gone`: the tab shows nothing any more.
const ENDS = [
  { name: 'closed', gone: true, away: (tab) => tab.page.close() },
  { name: 'crashed', gone: true, away: (tab) => crash(tab) },
  { name: 'hidden', away: (tab) => tab.hide(), back: (tab) => tab.show() },
  { name: 'frozen', away: async (tab) => { await tab.hide(); await tab.freeze(); }, back: async (tab) => { await tab.freeze('active'); await tab.show(); } },
  { name: 'stopped', away: (tab) => tab.halt(), back: (tab) => tab.goOn() },
];

for (const { name, gone, away, back } of ENDS) {
  test(`the leader is ${name}: another goes on, and nothing is lost or shown twice`, async ({ start }) => {
    const world = await start();
    await world.signIn('alice');
    const tabs = await openAll(world, 3);
    await world.insert('before');
    for (const tab of tabs) await tab.shows('before');
    const leader = await leaderOf(tabs);
    const others = tabs.filter((tab) => tab !== leader);
    await away(leader);
    await world.insert('meanwhile');
    for (const tab of others) await tab.shows('before', 'meanwhile');
    const next = await leaderOf(others);
    if (!gone) {
      await back(leader);
      await leader.shows('before', 'meanwhile');
    }
    await world.insert('after');
    for (const tab of gone ? others : tabs) {
      await tab.shows('before', 'meanwhile', 'after');
      expect(await tab.outages()).toBe(0);
    }
    if (!gone) {
      const { length } = leader.polls;
      await next.polled(5);
      expect(leader.polls.length, 'it does not poll beside the new leader').toBeLessThanOrEqual(length + 1); // it asks once by itself, perhaps late
    }
  });
}

test('a laptop that slept for ten minutes polls at once', async ({ start }) => {
  const world = await start({ cache: { staleness_bound: '0' } });
  await world.signIn('alice');
  const tab = await world.open('about:blank', { url: '', interval: 3600 });
  await tab.page.clock.install();
  await tab.page.goto(world.url + PATH);
  await tab.polled(0);
  await world.insert('while it slept');
  await tab.page.clock.fastForward(600_000);
  await tab.shows('while it slept');
});

test('hidden for ten minutes: not one poll, and all of it once it is shown', async ({ start }) => {
  const world = await start();
  await world.signIn('alice');
  const tab = await world.open('about:blank', { url: '' });
  await tab.page.clock.install();
  await tab.page.goto(world.url + PATH);
  await world.insert('before');
  await tab.shows('before');
  await tab.hide();
  const { length } = tab.polls;
  await world.insert('meanwhile', 'and this');
  await tab.page.clock.runFor(600_000);
  expect(tab.polls.length).toBeLessThanOrEqual(length + 1); // one was perhaps under way
  await tab.shows('before');
  await tab.show();
  await tab.shows('before', 'meanwhile', 'and this');
});

test('the network is cut in mid-flight: one toast in each tab, and nothing is lost', async ({ start }) => {
  const world = await start();
  await world.putWire();
  await world.signIn('alice');
  const tabs = await openAll(world, 2);
  await world.insert('before');
  for (const tab of tabs) await tab.shows('before');
  for (const outages of [1, 2]) {
    world.wire.cut();
    for (const tab of tabs) await expect.poll(() => tab.outages()).toBe(outages);
    await world.insert(`meanwhile ${outages}`);
    world.wire.mend();
    const texts = ['before', 'meanwhile 1', 'meanwhile 2'].slice(0, outages + 1);
    for (const tab of tabs) await tab.shows(...texts);
  }
  for (const tab of tabs) expect(await tab.outages()).toBe(2);
});

test('a page that comes back from the back/forward cache goes on, and shows nothing again', async ({ start }) => {
  const world = await start();
  await world.signIn('alice');
  const [tab, witness] = await openAll(world, 2);
  await world.insert('before');
  for (const one of [tab, witness]) await one.shows('before');
  await tab.page.evaluate(() => {
    window.addEventListener('pageshow', ({ persisted }) => window.seen.push({ kind: 'pageshow', detail: persisted }));
  });
  await tab.page.goto(world.url + '/');
  await world.insert('meanwhile');
  await witness.shows('before', 'meanwhile'); // had a channel been open, its message would have dropped the page
  await tab.page.goBack({ waitUntil: 'commit' });
  await tab.shows('before', 'meanwhile');
  expect(await tab.seen('pageshow')).toEqual([true]);
  await world.insert('after');
  for (const one of [tab, witness]) await one.shows('before', 'meanwhile', 'after');
});

test('what the tab has shown in another page is no news to one from the back/forward cache', async ({ start }) => {
  const world = await start();
  await world.signIn('alice');
  const [tab] = await openAll(world, 1);
  await world.insert('before');
  await tab.shows('before');
  await tab.page.goto(`${tab.page.url()}?next`);
  await tab.polled(1);
  await world.insert('meanwhile');
  await tab.shows('meanwhile');
  await tab.page.goBack({ waitUntil: 'commit' });
  const texts = async (kind) => (await tab.seen(kind)).map(({ text }) => text);
  await expect.poll(() => texts('notification:created')).toEqual(['before', 'meanwhile']);
  expect(await texts('visible toast')).toEqual(['before']);
  await world.insert('after');
  await expect.poll(() => texts('visible toast')).toEqual(['before', 'after']);
});

test('storage disabled: every item once, over a leader\'s end', async ({ start }) => {
  const world = await start();
  await world.context.addInitScript(() => {
    for (const name of ['localStorage', 'sessionStorage']) {
      Object.defineProperty(window, name, { get() { throw new DOMException('disabled', 'SecurityError'); } });
    }
  });
  await world.signIn('alice');
  const tabs = await openAll(world, 3);
  await world.insert('before');
  for (const tab of tabs) await tab.shows('before');
  const leader = await leaderOf(tabs);
  await leader.page.close();
  await world.insert('after');
  for (const tab of tabs) if (tab !== leader) await tab.shows('before', 'after');
});

test('back to the stream and forward again under load: no item is lost or shown twice, and no alarm', async ({ start }) => {
  const world = await start();
  await world.signIn('alice');
  const tabs = [...await openAll(world, 3), await world.open('/dashboard/old')];
  const texts = [];
  const insertSome = async (what) => {
    for (let i = 0; i < 5; i++) {
      texts.push(`${what} ${i}`);
      await world.insert(texts.at(-1));
    }
  };
  for (const transport of ['sse', 'poll', 'sse', 'poll']) {
    const load = insertSome(`to ${transport}`);
    await world.changeFlags({ transport, stream: 'bridge' });
    await load;
    for (const tab of tabs.slice(0, 3)) {
      if (transport === 'poll') await tab.page.evaluate(() => window.dispatchEvent(new Event('focus'))); // or within a minute
      await expect.poll(() => tab.transport()).toBe(transport);
    }
    await insertSome(`on ${transport}`);
    for (const tab of tabs) await tab.shows(...texts);
  }
  for (const tab of tabs) expect(await tab.outages()).toBe(0);
  expect(tabs.slice(0, 3).filter(({ streams }) => streams > 0), 'one held the stream for all').toHaveLength(1);
});

test('a deploy under tabs on both sides: one toast each at most, nothing lost', async ({ start }) => {
  const world = await start();
  await world.signIn('alice');
  const tabs = [...await openAll(world, 3), await world.open('/dashboard/old')];
  await world.insert('before');
  for (const tab of tabs) await tab.shows('before');
  await world.sluice.stop('SIGTERM');
  await world.insert('meanwhile');
  for (const tab of tabs.slice(0, 3)) await expect.poll(() => tab.outages()).toBe(1);
  await world.startSluice();
  await world.insert('after');
  for (const tab of tabs) await tab.shows('before', 'meanwhile', 'after');
  for (const tab of tabs.slice(0, 3)) expect(await tab.outages()).toBe(1);
});

async function openAll(world, count, path = PATH) {
  const tabs = [];
  for (let i = 0; i < count; i++) tabs.push(await world.open(path));
  return tabs;
}

/** The tab that polls for the others, once it is just one. */
async function leaderOf(tabs) {
  let leader;
  await expect.poll(async () => {
    const before = tabs.map(({ polls }) => polls.length);
    await expect.poll(() => Math.max(...tabs.map(({ polls }, i) => polls.length - before[i]))).toBeGreaterThanOrEqual(3);
    const busy = tabs.filter(({ polls }, i) => polls.length > before[i]);
    [leader] = busy;
    return busy.length;
  }).toBe(1);
  return leader;
}

async function crash(tab) {
  const devtools = await tab.page.context().newCDPSession(tab.page);
  const crashed = tab.page.waitForEvent('crash');
  devtools.send('Page.crash').catch(() => {}); // never answered
  await crashed;
}
