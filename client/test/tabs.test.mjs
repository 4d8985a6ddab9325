// Several tabs of one browser: one of them asks, all of them show.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hashKey } from '../.build/hash.js';
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
  for (const tab of browser.tabs) if (tab !== hung) browser.kill(tab);
  await pass(browser, 1_250);
  assert.equal(browser.leader, hung, 'and is there when it is needed');
});

test('of several tabs that miss their leader one takes its place, and the others see that it did', async () => {
  const browser = await browserWith(5);
  const hung = browser.leader;
  browser.tabs.forEach((tab, i) => { tab.random = i / 5; });
  hung.halt();
  const leaders = new Set();
  for (let i = 0; i < 80; i++) {
    await browser.advance(250); // no answer tells of a new leader
    leaders.add(browser.leader);
  }
  assert.equal(leaders.size, 2);
});

test('tabs that slept ask their leader before they take its place', async () => {
  const rare = { 'X-Poll-Interval': '60' };
  const browser = await browserWith(4);
  const { leader } = browser;
  await pass(browser, 10_000, rare);
  for (const tab of others(browser)) await tab.sleep(300_000);
  await browser.advance(10_000); // the leader has nothing to say by itself
  assert.equal(browser.leader, leader);
});

test('a lead that comes after a tab was hidden goes to the next', async () => {
  const browser = await browserWith(2);
  const [first, second] = browser.tabs;
  first.hide();
  second.hide();
  await pass(browser, 1_000);
  first.show();
  first.hide(); // before the browser could tell it
  second.show();
  await pass(browser, 250);
  assert.equal(browser.leader, second);
});

test('a tab that has had no answer of its own takes nothing: who is signed in may have changed since', async () => {
  const browser = await browserWith(2);
  const late = new Tab({ browser }); // its place is what others have left in the browser's storage
  await (await late.request()).refuse(503, { 'Retry-After': '20' }); // its next try is far
  browser.news.push('of somebody');
  while (!browser.leader.requests.at(-1).open) await browser.advance(100);
  await browser.leader.requests.at(-1).reply(answer(browser, 'c1'));
  assert.deepEqual(late.created, []);
  assert.equal(late.session.getItem('last_notification_cursor'), 'c1');
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
  browser.tabs.forEach((tab) => {
    assert.deepEqual(tab.created, ['a']);
    assert.equal(tab.window.sluice.running, true);
    assert.equal(browser.channelsOf(tab), 1);
  });
});

test('a tab takes nothing that does not continue from its own place, and asks by itself', async () => {
  const browser = await browserWith(2);
  const [tab] = others(browser);
  browser.news.push('a');
  await browser.advance(1_000);
  tab.hide();
  tab.show();
  await serve(browser); // it is further than the leader
  browser.news.push('b');
  const { length } = tab.requests;
  while (!browser.leader.requests.at(-1).open) await browser.advance(100);
  await browser.leader.requests.at(-1).reply(answer(browser, 'c1'));
  assert.deepEqual(tab.created, ['a']);
  await pass(browser, 1_250);
  assert.deepEqual(tab.created, ['a', 'b']);
  assert.deepEqual(tab.requests.slice(length).map(({ params }) => params.get('after_id')), ['c2']);
});

test('who knows already what the leader got does not ask again', async () => {
  const browser = await browserWith(2);
  const [tab] = others(browser);
  await browser.advance(1_000);
  browser.news.push('a');
  tab.hide();
  tab.show();
  await serve(browser);
  const { length } = tab.requests;
  await pass(browser, 20_000);
  assert.equal(tab.requests.length, length);
  browser.tabs.forEach(({ created }) => assert.deepEqual(created, ['a']));
});

test('a tab that was hidden meanwhile takes nothing either before it has asked', async () => {
  const browser = await browserWith(2);
  const [tab] = others(browser);
  await browser.advance(1_000);
  tab.hide();
  tab.show();
  const mine = await tab.request();
  browser.news.push('a');
  while (!browser.leader.requests.at(-1).open) await browser.advance(100);
  await browser.leader.requests.at(-1).reply(answer(browser, 'c1'));
  assert.equal(mine.open, true);
  assert.deepEqual(tab.created, []);
  await mine.reply(answer(browser, 'c1'));
  assert.deepEqual(tab.created, ['a']);
});

test('the place before the first item is nobody\'s: a tab finds out by itself whose the next one is', async () => {
  for (const [cursor, headers] of [['0'], ['', {}]]) { // the gateway's, and the app's own
    const browser = new Browser();
    const tabs = [];
    for (let i = 0; i < 2; i++) {
      const tab = new Tab({ browser });
      await (await tab.request()).reply({ ...page(), cursor }, headers);
      tabs.push(tab);
    }
    const [leader, other] = tabs;
    assert.equal(browser.leader, leader);
    while (!leader.requests.at(-1).open) await browser.advance(100);
    await leader.requests.at(-1).reply({ ...page('of somebody'), cursor: cursor && 'c2' }, headers);
    await browser.advance(1_000);
    assert.deepEqual(leader.created, ['of somebody']);
    assert.deepEqual(other.created, []);
    assert.deepEqual(other.requests.map(({ params }) => params.get('after_id')), cursor ? ['0', '0'] : [null, null]);
  }
});

test('somebody who uses any of the tabs brings rare polls back', async () => {
  const browser = await browserWith(3);
  await pass(browser, 600_000);
  const rare = polls(browser);
  await pass(browser, 60_000);
  assert.ok(polls(browser) - rare <= 4, `${polls(browser) - rare} polls in an idle minute`);
  const { length } = browser.leader.requests;
  const [, used] = others(browser);
  const posted = used.posted;
  for (let i = 0; i < 20; i++) used.happens('keydown');
  await pass(browser, 250);
  assert.equal(used.posted, posted + 1);
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

test('where channels are refused, each tab asks for itself', async () => {
  const browser = new Browser();
  browser.channelOf = () => class { constructor() { throw new DOMException('no', 'SecurityError'); } };
  browser.news = [];
  for (let i = 0; i < 2; i++) await open(browser);
  browser.news.push('a');
  await pass(browser, 11_000);
  browser.tabs.forEach((tab) => assert.deepEqual([tab.created, tab.window.errors], [['a'], []]));
});

test('what a listener does to an item stays in its page', async () => {
  const browser = await browserWith(2);
  const { leader } = browser;
  leader.window.addEventListener('notification:created', ({ detail }) => {
    detail.text = detail.context.by = 'the page';
    detail.element = () => {}; // cannot be sent to other tabs, like an element
  });
  browser.news.push('a');
  await pass(browser, 6_000);
  const [other] = others(browser);
  assert.deepEqual(other.details('notification:created'), [item('a')]);
  assert.equal(other.requests.length, 1);
  assert.ok(leader.window.__notifiedIds.has(hashKey('a:info:text of a')), 'nor is it another item after a reload');
});

test('a tab that hears of something while its own answer is under way asks once more', async () => {
  const browser = await browserWith(1);
  const { leader } = browser;
  const late = new Tab({ browser });
  const mine = await late.request();
  const before = answer(browser, 'c1');
  browser.news.push('a');
  while (!leader.requests.at(-1).open) await browser.advance(100);
  await leader.requests.at(-1).reply(answer(browser, 'c1'), { 'X-Poll-Interval': '600' });
  await mine.reply(before);
  await pass(browser, 6_000);
  assert.deepEqual(late.created, ['a']);
  assert.equal(late.requests.length, 2);
});

test('a tab that does not lead goes on with its backlog too', async () => {
  const browser = await browserWith(1);
  const late = new Tab({ browser });
  for (let n = 2; n < 40; n++) {
    await browser.advance(6_000, 6_000);
    await late.requests.at(-1).reply({ ...page(`n${n}`), cursor: `c${n}`, has_more: n < 39 });
  }
  assert.equal(late.created.length, 38);
});

test('nor one that was hidden with a request under way: the answer is older than who is signed in now', async () => {
  const browser = await browserWith(2);
  const [tab] = others(browser);
  await browser.advance(1_000);
  tab.hide(); tab.show();
  const old = await tab.request();
  tab.hide();
  await old.reply(answer(browser, 'c1'));
  await browser.advance(1_000);
  tab.show();
  const mine = await tab.request();
  browser.news.push('a');
  while (!browser.leader.requests.at(-1).open) await browser.advance(100);
  await browser.leader.requests.at(-1).reply(answer(browser, 'c1'));
  assert.equal(mine.open, true);
  assert.deepEqual(tab.created, []);
});

test('a lead that falls to a tab that hangs is taken from it, and it gives way when it is back', async () => {
  const browser = await browserWith(4);
  const hung = browser.tabs[1];
  hung.halt();
  browser.kill(browser.leader);
  await browser.advance(100);
  assert.equal(browser.leader, hung);
  browser.news.push('a');
  await pass(browser, 10_000 + 2 * 2_000 + 2 * 1_000 + 500); // the last they heard of their leader was that it is alive
  const next = browser.leader;
  assert.notEqual(next, hung);
  await hung.wakeUp();
  await pass(browser, 6_000);
  assert.equal(browser.leader, next);
  browser.tabs.forEach((tab) => assert.deepEqual(tab.created, ['a']));
  const { length } = hung.requests;
  await pass(browser, 20_000);
  assert.equal(hung.requests.length, length, 'it does not think that it leads');
});
