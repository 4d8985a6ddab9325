// Day one: every user on sse and the stream on upstream. Nothing changes for anybody.

import { expect, test } from './world.mjs';

test('old and new pages work, and what the app says is passed on', async ({ start }) => {
  const world = await start({ transport: 'sse', stream: 'upstream' });
  await world.signIn('alice');
  const old = await world.open('/dashboard/old');
  const client = await world.open('/dashboard/new');
  const job = await world.startJob({ kind: 'report', text: 'by a job' });
  for (const tab of [old, client]) {
    await tab.shows('by a job');
    expect(await tab.seen('visible toast')).toEqual([{ text: 'by a job', href: `/dashboard/jobs/${job}` }]);
  }
  // The old page is on the app's own stream, the client on a bridged one: to follow its place is beyond the app. Sluice
  // answers its own client only; to others the app says what it always said, with context as text.
  expect(await world.metric('sluice_compat_streams')).toBe(1);
  expect(await client.page.evaluate(() => window.sluice.transport)).toBe('sse');
  expect(await world.metric('sluice_polls_total{client="native",result="items"}')).toBe(0);
  const through = await client.page.evaluate(async () => (await fetch('/api/notifications?limit=5')).text());
  const bare = await world.context.request.get(`${world.app.url}/api/notifications?limit=5`);
  expect(through).toBe(await bare.text());
  expect(JSON.parse(through).notifications[0].context).toBe(JSON.stringify({ job_id: job }));

  await world.insert('later');
  for (const tab of [old, client]) {
    await tab.shows('by a job', 'later');
    expect(await tab.outages()).toBe(0);
  }
});

test('a tab moves to the new side and back, and shows each item once', async ({ start }) => {
  const world = await start({ transport: 'sse', stream: 'upstream' });
  await world.signIn('alice');
  const tab = await world.open('/dashboard/old');
  const moves = [
    { to: '/dashboard/old', stream: 'upstream', transport: 'sse' },
    { to: '/dashboard/old', stream: 'bridge', transport: 'sse' },
    { to: '/dashboard/new', stream: 'bridge', transport: 'poll' },
    { to: '/dashboard/old', stream: 'upstream', transport: 'sse' },
  ];
  for (const [i, { to, ...flags }] of moves.entries()) {
    if (i) await world.changeFlags(flags);
    await tab.page.goto(world.url + to);
    await world.insert(`after move ${i}`);
    await tab.shows(`after move ${i}`);
  }
});
