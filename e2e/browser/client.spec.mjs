// What the polling client does about tabs, reloads and sign-outs, and without Sluice.

import { expect, test } from './world.mjs';

const HOUR = 3600; // the longest interval that the client believes: whatever it polls before is not for the interval

test('a hidden tab does not poll', async ({ start }) => {
  const world = await start();
  await world.signIn('alice');
  const tab = await world.open('/dashboard/new');
  await world.insert('before');
  await tab.shows('before');

  const other = await world.open('/dashboard/new'); // goes on where the browser's last tab was
  await tab.hide();
  const { length } = tab.polls;
  await other.polled(3);
  await world.insert('meanwhile');
  await other.shows('meanwhile');
  expect(tab.polls.length).toBeLessThanOrEqual(length + 1); // one was perhaps under way
  await tab.shows('before');
  await tab.page.reload(); // it goes on where it was itself, and not where the other tab has got to
  await tab.show();
  await tab.shows('meanwhile');
});

test('a tab that is shown polls at once', async ({ start }) => {
  const world = await start({ cache: { staleness_bound: '0' } }); // its one poll has to bring the item
  await world.signIn('alice');
  const tab = await world.open('/dashboard/new', { interval: HOUR });
  await expect.poll(() => tab.polls.length).toBeGreaterThanOrEqual(1);
  await tab.hide();
  await world.insert('meanwhile');
  const { length } = tab.polls;
  await tab.show();
  await tab.shows('meanwhile');
  expect(tab.polls.length).toBeLessThanOrEqual(length + 2); // one more when it is given the lead after its answer
});

test('a reload shows nothing again', async ({ start }) => {
  const world = await start();
  await world.signIn('alice');
  const tabs = [await world.open('/dashboard/old'), await world.open('/dashboard/new')];
  await world.insert('before', 'and this');
  for (const tab of tabs) await tab.shows('before', 'and this');
  for (const text of ['after a reload', 'after another']) {
    for (const tab of tabs) await tab.page.reload();
    await world.insert(text);
    for (const tab of tabs) await tab.shows(text);
  }
});

test('what slides in behind a later item is shown, and nothing else again', async ({ start }) => {
  const world = await start();
  await world.signIn('alice');
  const tabs = [await world.open('/dashboard/old'), await world.open('/dashboard/new')];
  const texts = [];
  for (const row of [{ text: 'first' }, { text: 'committed late', age: 20e9 /* nanoseconds */ }, { text: 'last' }]) {
    texts.push(row.text);
    await world.insert(row);
    for (const tab of tabs) await tab.shows(...texts);
  }
});

test('several tabs show each item, once', async ({ start }) => {
  const world = await start();
  await world.signIn('alice');
  const tabs = [];
  for (const path of ['/dashboard/old', '/dashboard/old', '/dashboard/new', '/dashboard/new']) {
    tabs.push(await world.open(path));
  }
  const texts = [];
  for (const text of ['first', 'second', 'third']) {
    texts.push(text);
    await world.insert(text);
    for (const tab of tabs) await tab.shows(...texts);
  }
});

test('signed out elsewhere, a page says so once and stops asking', async ({ start }) => {
  const world = await start();
  await world.signIn('alice');
  const tab = await world.open('/dashboard/new');
  const witness = await world.open('/dashboard/old'); // its stream stays open: time passes where it is
  await world.insert('before');
  await tab.shows('before');

  await world.signOut();
  await expect.poll(() => tab.polls.at(-1)).toBe(401);
  const polls = tab.polls.length;
  const texts = ['before'];
  for (const text of ['a', 'b', 'c', 'd']) {
    texts.push(text);
    await world.insert(text);
    await witness.shows(...texts);
  }
  expect(tab.polls.length).toBe(polls);
  expect(await tab.seen('notification:unauthorized')).toEqual([null]);
  expect(await tab.outages()).toBe(0);
  await tab.shows('before');

  await world.signIn('alice');
  await tab.hide();
  await tab.show();
  await tab.shows(...texts);
});

test('the client works against the bare app', async ({ start }) => {
  const world = await start();
  await world.signIn('alice'); // cookies are the same on all ports of a host
  const tab = await world.open('/dashboard/new', { url: world.app.url });
  await world.insert({ text: 'about a job', context: { job_id: 'j1' } });
  await tab.shows('about a job');
  expect(await tab.seen('visible toast')).toEqual([{ text: 'about a job', href: '/dashboard/jobs/j1' }]);
  expect(await tab.seen('job:activity')).toHaveLength(1);
  await tab.polled(2);
  await tab.page.reload();
  await tab.polled(1);
  await tab.shows();
  expect(await world.metric('sluice_polls_total{client="sluice",result="items"}')).toBe(0);
});
