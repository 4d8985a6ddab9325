import { expect, test } from './world.mjs';

const SIDES = [
  { name: 'the old page, bridged', path: '/dashboard/old' },
  { name: 'the old page, on the app\'s own stream', path: '/dashboard/old', transport: 'sse', stream: 'upstream' },
  { name: 'the new page', path: '/dashboard/new' },
  { name: 'the new page, with the app\'s endpoint as the store', path: '/dashboard/new', store: 'upstream' },
];

for (const { name, path, ...options } of SIDES) {
  test(`${name} shows a job's notification once, with its link and its events`, async ({ start }) => {
    const world = await start(options);
    await world.signIn('alice');
    const tab = await world.open(path, { interval: null });
    const { page } = tab;
    await page.getByLabel('Kind').selectOption('document');
    await page.getByLabel('Delay').fill('0');
    await page.getByLabel('Text').fill('Budget <b>2026</b> & "more"');
    await page.getByRole('button', { name: 'Start' }).click();
    await tab.shows('Budget <b>2026</b> & "more"');
    await expect(page.getByText('finished · notifications: 1')).toBeVisible(); // the pipeline's own stream

    const [item] = await tab.seen('notification:created');
    expect(item).toMatchObject({
      level: 'success', title: 'Document processed', context: { job_id: expect.any(String), document_id: expect.any(String) },
    });
    const href = `/dashboard/documents/${item.context.document_id}`;
    const once = {
      'toast': [{ type: 'success', text: item.text, href }],
      'visible toast': [{ text: item.text, href }],
      'notification:created': [item],
      'document:activity': [item],
      'job:activity': [item],
    };
    const all = () => Promise.all(Object.keys(once).map((kind) => tab.seen(kind)));
    expect(await all()).toEqual(Object.values(once));

    await world.insert('something else, later');
    await tab.shows(item.text, 'something else, later');
    expect((await all()).map((list) => list.length)).toEqual([2, 2, 2, 1, 1]);
    expect(await tab.outages()).toBe(0);
    await page.goto(world.url + href);
    await expect(page.getByRole('link', { name: `job ${item.context.job_id}` })).toBeVisible();
  });
}

test('the activity feed puts new items on top, as text and without hostile links', async ({ start }) => {
  const world = await start();
  await world.signIn('alice');
  const tabs = [await world.open('/dashboard/activity?page=old'), await world.open('/dashboard/activity')];
  for (const { page } of tabs) await expect(page.getByText('Nothing has happened yet.')).toBeVisible();

  const hostile = '<img src=x onerror="window.hacked = true"><script>window.hacked = true</script>';
  const rows = [
    { text: 'to a path', context: { href: '/dashboard/jobs?q=1' }, href: '/dashboard/jobs?q=1' },
    { text: 'to a job', context: { job_id: 'j7' }, href: '/dashboard/jobs/j7' },
    { text: hostile, context: { href: 'javascript:window.hacked=true', job_id: 'j' }, href: null },
    { text: 'another host', context: { href: '//evil.example/' }, href: null },
    { text: 'and another', context: { href: '/\\evil.example/' }, href: null },
  ];
  for (const [i, { text, context, href }] of rows.entries()) {
    await world.insert({ text, context }); // one by one: within a second, the order of the feed is by chance
    for (const { page } of tabs) {
      await expect(page.locator('#activity-feed > li')).toHaveCount(i + 1);
      const top = page.locator('#activity-feed > li').first();
      await expect(top.getByText(text, { exact: true })).toBeVisible();
      expect(await links(top)).toEqual(href ? [href] : []);
      await expect(top.locator('time')).toHaveText(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/);
    }
  }
  const toasts = rows.map(({ text, href }) => ({ text, href }));
  // The client lets no such link out; the old page leaves that to the overlay, and its script cannot be changed.
  expect((await tabs[1].seen('toast')).map(({ text, href }) => ({ text, href }))).toEqual(toasts);
  for (const tab of tabs) {
    const { page } = tab;
    expect(await tab.seen('visible toast')).toEqual(toasts);
    await expect(page.getByText('Nothing has happened yet.')).toHaveCount(0);
    expect(await page.evaluate(() => window.hacked)).toBeUndefined();
    await page.reload(); // what the server makes of the same
    await expect(page.locator('#activity-feed > li')).toHaveCount(rows.length);
    await expect(page.getByText(hostile, { exact: true })).toBeVisible();
    expect((await links(page.locator('#activity-feed'))).toSorted()).toEqual(rows.flatMap(({ href }) => href ?? []).toSorted());
  }
});

/** Where the links in an element lead, as they are written. */
function links(locator) {
  return locator.locator('a').evaluateAll((all) => all.map((a) => a.getAttribute('href')));
}
