// What users see when a part is gone: nothing, or one toast.

import { expect, test } from './world.mjs';

for (const signal of ['SIGKILL', 'SIGSTOP']) {
  test(`Redis gone by ${signal}: nobody notices`, async ({ start }) => {
    const world = await start();
    await world.signIn('alice');
    const tabs = [await world.open('/dashboard/old'), await world.open('/dashboard/new')];
    await world.insert('before');
    for (const tab of tabs) await tab.shows('before');

    world.redis.signal(signal);
    await world.insert('while it is gone');
    for (const tab of tabs) await tab.shows('before', 'while it is gone');
    await tabs[1].polled(2);
    await tabs[1].page.reload(); // nor does who comes now
    await tabs[1].polled(1);
    if (signal === 'SIGSTOP') world.redis.signal('SIGCONT');
    await world.insert('later');
    await tabs[0].shows('before', 'while it is gone', 'later');
    await tabs[1].shows('later');

    for (const tab of tabs) expect(await tab.outages()).toBe(0);
    expect(new Set(tabs[1].polls)).toEqual(new Set([200]));
    expect(tabs[0].streams).toBe(1);
  });
}

test('the app gone, and with it the store: one toast for the whole outage', async ({ start }) => {
  const world = await start({ store: 'upstream' });
  await world.signIn('alice');
  const tab = await world.open('/dashboard/new');
  await world.insert('before');
  await tab.shows('before');

  await world.app.program.stop();
  await expect.poll(() => failed(tab)).toBeGreaterThanOrEqual(4);
  expect(await tab.outages()).toBe(1);
  await world.insert('meanwhile', 'and this');
  await world.startApp();
  await tab.shows('before', 'meanwhile', 'and this');
  await tab.polled(2);
  await world.insert('after');
  await tab.shows('before', 'meanwhile', 'and this', 'after');
  expect(await tab.outages()).toBe(1);

  await world.app.program.stop(); // another outage is another toast
  await expect.poll(() => tab.outages()).toBe(2);
});

test('the app gone, its database still there: nobody notices', async ({ start }) => {
  const world = await start();
  await world.signIn('alice');
  const tabs = [await world.open('/dashboard/old'), await world.open('/dashboard/new')];
  await world.insert('before');
  for (const tab of tabs) await tab.shows('before');

  await world.app.program.stop();
  await world.insert('meanwhile');
  for (const tab of tabs) await tab.shows('before', 'meanwhile');
  await tabs[1].polled(3);
  await world.insert('and this');
  for (const tab of tabs) await tab.shows('before', 'meanwhile', 'and this');
  for (const tab of tabs) expect(await tab.outages()).toBe(0);
  expect(failed(tabs[1])).toBe(0);
  expect(tabs[0].streams).toBe(1);
});

test('the gateway restarted: nothing is lost or shown twice', async ({ start }) => {
  const world = await start();
  await world.signIn('alice');
  const tabs = [await world.open('/dashboard/old'), await world.open('/dashboard/new')];
  await world.insert('before');
  for (const tab of tabs) await tab.shows('before');

  const stopped = world.sluice.stop('SIGTERM');
  await world.insert('while it drains');
  expect(await stopped).toBe(0);
  expect(world.sluice.log).toContain('"streams_ended":1');
  await expect.poll(() => tabs[0].outages()).toBeGreaterThanOrEqual(1);
  await expect.poll(() => tabs[1].outages()).toBe(1);
  await world.insert('while it is down');
  await world.startSluice();
  for (const tab of tabs) await tab.shows('before', 'while it drains', 'while it is down');
  await world.insert('after');
  for (const tab of tabs) await tab.shows('before', 'while it drains', 'while it is down', 'after');
  expect(await tabs[1].outages()).toBe(1);
});

/** How many polls of a tab have failed so far. */
function failed(tab) {
  return tab.polls.filter((status) => status !== 200).length;
}
