// Several tabs of one browser: one of them asks, all of them show.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Browser, item, page, Tab } from './tab.mjs';

const LOST = 'Live updates disconnected, retrying...';

/** A browser with so many tabs, at the place c1, and its server: what has happened since a place, from `news`. */
async function browserWith(count, options = {}) {
  const browser = new Browser();
  browser.news = []; // items, oldest first; c1 is the place before the first
  for (let i = 0; i < count; i++) await open(browser, options);
  return browser;
}

async function open(browser, options) {
  const tab = new Tab({ browser, ...options });
  await serve(browser);
  return tab;
}

/** Answers what is open, as the gateway would. */
async function serve(browser, headers) {
  for (let again = true; again;) {
    await browser.advance(0);
    const open = browser.tabs.filter((tab) => !tab.stopped).flatMap((tab) => tab.requests).filter((request) => request.open);
    again = open.length > 0;
    for (const request of open) await request.reply(answer(browser, request.params.get('after_id')), headers);
  }
}

function answer({ news }, after) {
  const from = after ? Number(after.slice(1)) - 1 : news.length;
  return { ...page(...news.slice(from)), ...(after === `c${news.length + 1}` ? {} : { cursor: `c${news.length + 1}` }) };
}

/** Time goes on, and the server answers. */
async function pass(browser, ms, headers) {
  for (let done = 0; done < ms; done += 250) {
    await browser.advance(250, 250);
    await serve(browser, headers);
  }
}

const polls = ({ tabs }) => tabs.reduce((sum, { requests }) => sum + requests.length, 0);
const others = (browser) => browser.tabs.filter((tab) => tab !== browser.leader);

test('twelve tabs: one polls, each shows each item once', async () => {
  const browser = await browserWith(12);
  const before = polls(browser);
  assert.equal(before, 12, 'each looked once for itself');
  browser.news.push('a', 'b');
  await pass(browser, 60_000);
  browser.news.push('c');
  await pass(browser, 6_000);
  for (const tab of browser.tabs) {
    assert.deepEqual(tab.created, ['a', 'b', 'c']);
    assert.deepEqual(tab.toasts, ['text of a', 'text of b', 'text of c']);
    assert.equal(tab.session.getItem('last_notification_cursor'), 'c4');
  }
  assert.ok(others(browser).every(({ requests }) => requests.length === 1), 'nobody else polls');
  assert.ok(polls(browser) - before >= 10 && polls(browser) - before <= 16, `${polls(browser) - before} polls in 66 s`);
});

for (const [how, away] of [
  ['is closed', (browser, tab) => browser.kill(tab)],
  ['is hidden', (_, tab) => tab.hide()],
  ['is frozen', (_, tab) => tab.document.dispatchEvent(new Event('freeze'))],
  ['goes to another page', (_, tab) => tab.happens('pagehide')],
  ['is told to stop', (_, tab) => tab.window.sluice.stop()],
]) {
  test(`a leader that ${how} is followed at once, and nothing is lost`, async () => {
    const browser = await browserWith(4);
    const first = browser.leader;
    browser.news.push('a');
    away(browser, first);
    await pass(browser, 1_250);
    assert.ok(browser.leader && browser.leader !== first);
    for (const tab of browser.tabs) if (tab !== first) assert.deepEqual(tab.created, ['a']);
    assert.equal(browser.channelsOf(first), 0, 'an open channel would keep it out of the back/forward cache');
  });
}

test('a tab that comes back catches up by itself, from its own place', async () => {
  const browser = await browserWith(3);
  const tab = others(browser)[0];
  tab.hide();
  browser.news.push('a', 'b');
  await pass(browser, 6_000);
  assert.deepEqual(tab.created, []);
  const { length } = tab.requests;
  tab.show();
  await pass(browser, 250);
  assert.deepEqual(tab.created, ['a', 'b']);
  assert.equal(tab.requests[length].params.get('after_id'), 'c1');
  browser.news.push('c');
  await pass(browser, 6_000);
  assert.deepEqual(tab.created, ['a', 'b', 'c']);
  assert.equal(tab.requests.length, length + 1);
});

test('hidden tabs hear nothing, and no tab polls when none is visible', async () => {
  const browser = await browserWith(3);
  browser.tabs.forEach((tab) => tab.hide());
  const before = polls(browser);
  browser.news.push('a');
  await pass(browser, 600_000);
  assert.equal(polls(browser), before);
  assert.equal(browser.leader, undefined);
  assert.ok(browser.tabs.every((tab) => browser.channelsOf(tab) === 0));
});

test('a leader that hangs is replaced after a silence, and gives way when it is back', async () => {
  const browser = await browserWith(4);
  const hung = browser.leader;
  await pass(browser, 5_000);
  hung.halt();
  browser.news.push('a');
  await pass(browser, 5_000 * 1.1 + 2 * 2_000 + 2 * 1_000 + 500);
  const next = browser.leader;
  assert.notEqual(next, hung);
  for (const tab of browser.tabs) if (tab !== hung) assert.deepEqual(tab.created, ['a']);

  await hung.wakeUp();
  await pass(browser, 1_250);
  assert.equal(browser.leader, next);
  assert.deepEqual(hung.created, ['a']);
  const { length } = hung.requests;
  browser.news.push('b');
  await pass(browser, 11_000);
  assert.equal(hung.requests.length, length, 'it polls no more');
  for (const tab of browser.tabs) assert.deepEqual(tab.created, ['a', 'b']);
});

test('tabs that slept with their leader ask it before they take its place', async () => {
  const browser = await browserWith(4);
  const { leader } = browser;
  for (const tab of others(browser)) await tab.sleep(600_000); // they wake first, and its silence was long
  await leader.sleep(600_000);
  await pass(browser, 30_000);
  assert.equal(browser.leader, leader);
});

test('a slow answer is no silence', async () => {
  const browser = await browserWith(3);
  const { leader } = browser;
  while (!leader.requests.at(-1).open) await browser.advance(100);
  await browser.advance(9_500);
  assert.equal(browser.leader, leader);
  assert.equal(leader.requests.at(-1).open, true);
});

test('an outage is one toast in each tab, and only the leader retries', async () => {
  const browser = await browserWith(3);
  const before = polls(browser);
  for (let i = 0; i < 4; i++) {
    while (!browser.leader.requests.at(-1).open) await browser.advance(100);
    await browser.leader.requests.at(-1).fail();
  }
  assert.equal(polls(browser) - before, 4);
  browser.tabs.forEach((tab) => assert.deepEqual(tab.toasts, [LOST]));
  browser.news.push('a');
  await pass(browser, 20_000);
  browser.tabs.forEach((tab) => assert.deepEqual(tab.toasts, [LOST, 'text of a']));
  while (!browser.leader.requests.at(-1).open) await browser.advance(100);
  await browser.leader.requests.at(-1).fail();
  browser.tabs.forEach((tab) => assert.deepEqual(tab.toasts, [LOST, 'text of a', LOST]));
});

test('signed out: every tab says so once, none asks, and all go on when one finds somebody signed in', async () => {
  const browser = await browserWith(3);
  while (!browser.leader.requests.at(-1).open) await browser.advance(100);
  await browser.leader.requests.at(-1).refuse(401);
  const before = polls(browser);
  await browser.advance(600_000, 5_000);
  assert.equal(polls(browser), before);
  browser.tabs.forEach((tab) => assert.deepEqual(tab.events, [['notification:unauthorized', null]]));
  browser.news.push('a');
  browser.tabs[2].happens('focus');
  await pass(browser, 6_000);
  browser.tabs.forEach((tab) => assert.deepEqual(tab.created, ['a']));
});

test('a tab takes nothing that does not continue from its own place', async () => {
  const browser = await browserWith(3);
  const tab = others(browser)[0];
  const { length } = tab.requests;
  browser.news.push('a', 'b');
  const late = new Tab({ browser }); // its first answer is under way while the leader's comes
  while (!browser.leader.requests.at(-1).open) await browser.advance(100);
  const mine = await late.request();
  await browser.leader.requests.at(-1).reply(answer(browser, 'c1'));
  assert.deepEqual(tab.created, ['a', 'b']);
  assert.deepEqual(late.created, []);
  await mine.reply(answer(browser, 'c1'));
  assert.deepEqual(late.created, ['a', 'b']);
  await pass(browser, 20_000);
  assert.equal(tab.requests.length, length);
  assert.equal(late.requests.length, 1);
});

test('the place before the first item is nobody\'s: a tab finds out by itself whose the next one is', async () => {
  const browser = new Browser();
  const tabs = [];
  for (let i = 0; i < 2; i++) {
    const tab = new Tab({ browser });
    await (await tab.request()).reply({ ...page(), cursor: '0' });
    tabs.push(tab);
  }
  const [leader, other] = tabs;
  assert.equal(browser.leader, leader);
  while (!leader.requests.at(-1).open) await browser.advance(100);
  await leader.requests.at(-1).reply({ ...page('of somebody'), cursor: 'c2' });
  await browser.advance(1_000);
  assert.deepEqual(leader.created, ['of somebody']);
  assert.deepEqual(other.created, []);
  assert.equal(other.requests.at(-1).params.get('after_id'), '0');
});

test('somebody who uses any of the tabs brings rare polls back', async () => {
  const browser = await browserWith(3);
  await pass(browser, 600_000);
  const rare = polls(browser);
  await pass(browser, 60_000);
  assert.ok(polls(browser) - rare <= 4, `${polls(browser) - rare} polls in an idle minute`);
  const { length } = browser.leader.requests;
  others(browser)[1].happens('keydown');
  await pass(browser, 250);
  assert.equal(browser.leader.requests.length, length + 1, 'at once');
  await pass(browser, 30_000);
  assert.ok(browser.leader.requests.length >= length + 6);
});

test('without locks, or where they are refused, each tab asks for itself', async () => {
  for (const refuse of [false, true]) {
    const browser = new Browser();
    if (refuse) browser.locksOf = () => ({ request: () => Promise.reject(new DOMException('no', 'SecurityError')) });
    else browser.locksOf = () => undefined;
    browser.news = [];
    for (let i = 0; i < 2; i++) await open(browser);
    browser.news.push('a');
    await pass(browser, 11_000);
    browser.tabs.forEach((tab) => {
      assert.deepEqual(tab.created, ['a']);
      assert.ok(tab.requests.length >= 3);
    });
  }
});
