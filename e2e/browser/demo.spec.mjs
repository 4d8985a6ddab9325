// The control room of `sluice demo`, used as a person would.

import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Tab } from './tab.mjs';
import { expect, test as base, World } from './world.mjs';

const test = base.extend({
  /** Opens the room of a demo of the test's own, as one of its people. */
  enter: async ({}, use) => {
    const demo = new Demo();
    try {
      await demo.start();
      await use((user) => demo.enter(user));
      expect(demo.faults(), 'faults of pages and of the gateway').toEqual([]);
    } finally {
      await demo.stop();
    }
  },
});

test.describe.configure({ timeout: 150_000 }); // they wait for what takes as long as it takes people

class Demo extends World {
  constructor() {
    super({});
  }

  async start() {
    this.folder = await mkdtemp(join(tmpdir(), 'sluice-e2e-'));
    const any = this.settings.listen;
    const [{ match }] = await Promise.all([
      this.run('sluice', join(process.env.SLUICE_E2E_BIN, 'sluice'), ['demo', '--listen', any, '--app', any, '--admin', any],
        /^Open +(\S+)/m),
      this.startBrowser(),
    ]);
    this.url = match[1];
  }

  /** The demo ends what it has started. */
  async stop() {
    await this.programs.find(({ name }) => name === 'sluice')?.stop('SIGTERM');
    await super.stop();
  }

  async enter(user) {
    const page = await this.openWindow();
    this.tabs.push(new Tab(page));
    await page.goto(this.url);
    await page.getByRole('button', { name: user }).click();
    const room = new Room(page);
    await room.connected('old', 'new');
    return room;
  }
}

// Frames are drawn smaller than they are, so Playwright would click beside what is in them: keys do not miss.
class Room {
  created = 0;

  constructor(page) {
    this.page = page;
    this.message = page.locator('#message');
  }

  side(name) {
    return this.page.getByRole('region', { name: `${name} tab` });
  }

  frame(name) {
    return this.page.frameLocator(`#${name} iframe`);
  }

  count(side, name) {
    return this.page.locator(`#${side} [data-count=${name}]`);
  }

  async connected(...sides) {
    for (const side of sides) await expect(this.page.locator(`#${side} .link`)).toHaveText(/streaming|polling/);
  }

  async create(n) {
    await this.page.getByRole('button', { name: `Create ${n}`, exact: true }).click();
    this.created += n;
    await expect(this.page.locator('#created')).toHaveText(String(this.created));
  }

  /** Waits until these sides have shown all that was created so far. */
  async shownBy(...sides) {
    for (const side of sides) await expect(this.count(side, 'shown')).toHaveText(`${this.created} / ${this.created}`);
  }

  /** Sets a flag, and waits for the gateway. */
  async flag(value) {
    await this.page.getByRole('radio', { name: value, exact: true }).check({ force: true });
    await expect(this.message).toHaveText(/^The gateway has read the flags/);
    await expect(this.page.getByRole('radio', { name: value, exact: true })).toBeChecked();
  }

  async turn(part, button) {
    const row = this.page.locator(`[data-part=${part}]`);
    await row.getByRole('button', { name: button }).click();
    await expect(row.getByRole('button', { name: button === 'Stop' ? 'Start' : 'Stop' })).toBeEnabled();
  }

  /** Reloads a side, and waits until its new page lives. */
  async reload(side) {
    await this.frame(side).locator('body').evaluate((body) => { body.dataset.left = 'yes'; });
    await this.side(side).getByRole('button', { name: 'Reload' }).click();
    await expect(this.frame(side).locator('body:not([data-left])')).toBeVisible();
  }
}

test('whatever is flipped, stopped and started, both tabs show everything once', async ({ enter }) => {
  const room = await enter('alice');
  await room.create(1);
  await room.create(20);
  await room.shownBy('old', 'new');
  for (const side of ['old', 'new']) await expect(room.count(side, 'toasts')).toHaveText('21');

  await room.flag('sse');
  await room.create(1);
  await room.shownBy('old', 'new');
  await room.flag('poll');
  await room.flag('upstream');
  await room.reload('old');
  await room.connected('old');
  await room.create(1);
  await room.shownBy('old', 'new');
  await room.flag('bridge');
  await room.reload('old');
  await room.reload('new');
  await room.connected('old', 'new');

  await room.turn('redis', 'Stop');
  await room.create(20);
  await room.shownBy('old', 'new');
  await room.turn('redis', 'Start');
  await room.create(1);

  await room.turn('app', 'Stop'); // with the last perhaps not yet shown
  await room.shownBy('old', 'new');
  await room.page.getByRole('button', { name: 'Create 1', exact: true }).click();
  await expect(room.message).toHaveText('the app does not answer');
  await room.reload('new');
  await expect(room.page.locator('#new .link')).toHaveText('no page');
  await room.turn('app', 'Start');
  await room.connected('old', 'new'); // the room has reloaded what could not be loaded
  await room.create(20);
  await room.shownBy('old', 'new');

  for (const side of ['old', 'new']) {
    for (const name of ['lost', 'twice', 'alarms']) await expect(room.count(side, name)).toHaveText('0');
  }
  await expect(room.count('old', 'streams')).toHaveText('3'); // the first, and one a reload
  await expect(room.page.locator('[data-figure=streams]')).toHaveText('1');
});

test('what a tab loses or shows twice is said of that tab, and of no other', async ({ enter }) => {
  const room = await enter('bob');
  await room.create(1);
  await room.shownBy('old', 'new');

  // More than 20 between two looks are too many for the app's own stream. How many get lost is by chance.
  await room.frame('old').getByLabel('Delay').fill('0');
  await room.frame('old').getByLabel('Notifications').fill('100');
  await room.frame('old').getByRole('button', { name: 'Start' }).press('Enter');
  room.created += 100;
  await room.shownBy('new');
  const number = async (name) => parseInt(await room.count('old', name).textContent());
  await expect.poll(async () => (await number('shown')) + (await number('lost'))).toBe(room.created);
  const lost = await number('lost');
  expect(lost).toBeGreaterThan(0);

  // A tab that has forgotten what it has shown shows the newest 20 again.
  await room.reload('old');
  await room.create(1);
  await expect(room.count('old', 'shown')).toHaveText(`${102 - lost} / 102`);
  await expect(room.count('old', 'twice')).toHaveText('0');
  await room.frame('old').locator('body').evaluate(() => window.sessionStorage.removeItem('__toast_history_v1'));
  await room.reload('old');
  await expect(room.count('old', 'twice')).toHaveText('20');
  for (const name of ['lost', 'twice', 'alarms']) await expect(room.count('new', name)).toHaveText('0');
});

test('a tab that hears of nothing for a while shows what only the other has shown', async ({ enter }) => {
  const room = await enter('alice');
  await room.flag('retired');
  await room.reload('old');
  await expect(room.page.locator('#old .link')).toHaveText('not connected');
  await expect(room.count('old', 'alarms')).not.toHaveText('0');
  await room.create(1);
  await room.shownBy('new');
  const polls = async () => Number(await room.count('new', 'polls').textContent());
  const before = await polls();
  await expect.poll(polls).toBeGreaterThanOrEqual(before + 4); // longer than a connected tab may take
  await expect(room.count('old', 'shown')).toHaveText('0 / 1');
  await expect(room.count('old', 'lost')).toHaveText('0');
  await expect(room.count('old', 'streams')).toHaveText('1'); // of all that were asked for since, none has opened
  await room.flag('bridge');
  await room.reload('old'); // with a history of its own, not with the new tab's
  await room.shownBy('old');
  await room.reload('new');
  await room.connected('new');
  for (const side of ['old', 'new']) {
    for (const name of ['lost', 'twice']) await expect(room.count(side, name)).toHaveText('0');
  }
});

test('another person is one click away, also while the app is stopped; outages and sign-outs are noticed', async ({ enter }) => {
  const room = await enter('alice');
  await room.turn('app', 'Stop');
  await room.page.getByRole('button', { name: 'carol' }).click();
  await expect(room.page.getByRole('heading', { name: 'Flags of carol' })).toBeVisible();
  await room.turn('app', 'Start');
  await room.connected('old', 'new');
  await room.page.context().setOffline(true); // nor does anything count while nobody can be reached
  await expect(room.page.locator('#new .link')).toHaveText('not connected');
  await expect(room.message).toHaveText(/^The demo does not answer/);
  await room.page.context().setOffline(false);
  await room.connected('old', 'new');
  await expect(room.message).toBeEmpty();
  await room.create(1);
  await room.shownBy('old', 'new');
  await room.frame('new').getByRole('button', { name: 'Sign out' }).press('Enter'); // in a frame: the room notices
  await expect(room.page.getByRole('button', { name: /^bob/ })).toBeVisible();
  await expect(room.page.locator('iframe')).toHaveCount(0);
});
