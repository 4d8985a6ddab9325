// What a page shows of documents and jobs is refreshed when a notification is about them.

import { createRequire } from 'node:module';
import { expect, test } from './world.mjs';

/** The versions that pages have, by the packages that bring them. */
const VERSIONS = [['htmx.org', '1.9.12'], ['htmx2', '2.0.11'], ['htmx4', '4.0.1']];

// One list and one detail page for each kind; any notification may change a list.
const PARTS = [
  { path: '/dashboard/jobs', selector: '[data-jobs-page]', trigger: 'refreshJobs', times: 2 },
  { path: '/dashboard/jobs/j1', selector: '[data-job-detail]', trigger: 'refreshJob', times: 1 },
  { path: '/dashboard/documents', selector: '[data-documents-page]', trigger: 'refreshDocuments', times: 2 },
  { path: '/dashboard/documents/d%221', selector: '[data-document-detail]', trigger: 'refreshDocument', times: 1 },
];

const SIDES = ['?page=old', ''];

test('old and new pages trigger the refresh of each part, by the sample app\'s htmx', async ({ start }) => {
  const world = await start();
  await world.signIn('alice');
  const tabs = [await world.open('/dashboard/old'), await world.open('/dashboard/new')];
  for (const { path, selector, trigger, times } of PARTS) {
    for (const [i, tab] of tabs.entries()) await tab.page.goto(world.url + path + SIDES[i]);
    await notify(world, tabs, path);
    for (const tab of tabs) {
      expect(await triggered(tab)).toEqual({ [trigger]: times });
      await expect(tab.page.locator(selector)).toHaveAttribute('data-refreshes', String(times));
    }
  }
});

for (const [name, version] of VERSIONS) {
  test(`old and new pages trigger the refresh of each part, by htmx ${version}`, async ({ start }) => {
    const world = await start();
    const path = createRequire(import.meta.url).resolve(`${name}/dist/htmx.min.js`);
    await world.context.route('**/static/htmx.js', (route) => route.fulfill({ path }));
    await world.signIn('alice');
    const tabs = [await world.open('/dashboard/old'), await world.open('/dashboard/new')];
    const requests = [];
    world.context.on('request', (request) => {
      if (request.headers()['hx-request']) requests.push(new URL(request.url()).pathname);
    });
    for (const { path, selector, trigger, times } of PARTS) {
      for (const [i, tab] of tabs.entries()) {
        await tab.page.goto(world.url + path + SIDES[i]);
        expect(await tab.page.evaluate(() => window.htmx.version)).toBe(version);
        await refreshByHtmx(tab.page.locator(selector), trigger);
      }
      requests.length = 0;
      await notify(world, tabs, path);
      for (const tab of tabs) expect(await triggered(tab)).toEqual({ [trigger]: times });
      await expect.poll(() => requests).toEqual(Array(times * tabs.length).fill(path));
    }
  });
}

/** Has htmx itself ask for the page when the part is triggered. */
async function refreshByHtmx(locator, trigger) {
  await locator.evaluate((part, trigger) => {
    const attributes = { 'hx-get': location.pathname, 'hx-trigger': trigger, 'hx-swap': 'none' };
    for (const [name, value] of Object.entries(attributes)) part.setAttribute(name, value);
    window.htmx.process(part);
  }, trigger);
}

/** Has the pages shown one notification about others than the parts, and then one about the parts. */
async function notify(world, tabs, path) {
  const others = { text: `others, ${path}`, context: { job_id: 'j2', document_id: 'd2' } };
  const these = { text: `these, ${path}`, context: { job_id: 'j1', document_id: 'd"1' } };
  await world.insert(others);
  for (const tab of tabs) await tab.shows(others.text);
  await world.insert(these);
  for (const tab of tabs) await tab.shows(others.text, these.text);
}

/** How often each refresh was asked for in the page. */
async function triggered(tab) {
  const counts = {};
  for (const { trigger } of PARTS) {
    const { length } = await tab.seen(trigger);
    if (length) counts[trigger] = length;
  }
  return counts;
}
