// What a test runs against: the sample app, Redis, the gateway and a browser, all of them real and all of them the
// test's own. `test` is Playwright's, with the fixture `start`.

import { execFile } from 'node:child_process';
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { createServer as createWebServer } from 'node:http';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { test as base, chromium, expect } from '@playwright/test';
import { Program } from './process.mjs';
import { Tab } from './tab.mjs';
import { Wire } from './wire.mjs';

// Each worker has a loopback address to itself: a port stays free while what listens on it is stopped for a while.
const HOST = `127.0.0.${10 + Number(process.env.TEST_PARALLEL_INDEX ?? 0)}`;
const KEY = 'a key of at least thirty-two bytes';

/** A name of that address for the browser: policies know hosts by name only. */
export const NAME = 'app.test';

// A browser without a screen, a sandbox (it may be started by root) or anything to say to the world.
const BROWSER_FLAGS = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
  '--disable-background-networking', '--disable-component-update', '--disable-sync', '--disable-dev-shm-usage', `--host-resolver-rules=MAP ${NAME} ${HOST}`];

export const test = base.extend({
  /** Starts a world, with the options of its constructor. It ends with the test. */
  start: async ({}, use, testInfo) => {
    const worlds = [];
    await use(async (options = {}) => {
      const world = new World(options);
      worlds.push(world);
      await world.start();
      return world;
    });
    for (const world of worlds) {
      const faults = world.faults();
      await world.stop();
      if (testInfo.status !== testInfo.expectedStatus || faults.length) world.printLog();
      expect(faults, 'faults of pages and of the gateway').toEqual([]);
    }
  },
});

export { expect };

export class World {
  programs = [];
  tabs = [];
  settings = {
    listen: `${HOST}:0`,
    admin: { listen: `${HOST}:0` },
    poll: { interval: '1s' },
    auth: { key: KEY },
    drain: { grace: '0s', deadline: '5s' },
  };

  /**
   * `store` is sqlite or upstream; `transport` and `stream` are what the flag file says for everybody; `compat` and
   * `cache` are further settings of the bridge and the cache; `behind` answers requests in place of the sample app; `front`
   * puts TLS and HTTP/2 between browser and gateway.
   */
  constructor({ store = 'sqlite', transport = 'poll', stream = 'bridge', compat = {}, cache = {}, behind, front = false }) {
    this.store = store;
    this.behind = behind;
    this.front = front;
    this.flags = { transport, stream };
    this.settings.compat = compat;
    this.settings.cache = cache;
  }

  async start() {
    this.folder = await mkdtemp(join(tmpdir(), 'sluice-e2e-'));
    this.database = join(this.folder, 'app.db');
    await Promise.all([this.startApp(), this.startRedis(), this.startBrowser()]);
    this.settings.upstream = { url: this.behind ? await this.startBehind() : this.app.url };
    this.settings.store = { driver: this.store, dsn: this.store === 'sqlite' ? this.database : '' };
    this.settings.rollout = { flags: join(this.folder, 'flags.json') };
    await this.writeFlags(this.flags);
    await this.startSluice();
    if (this.front) await this.startFront();
  }

  /** Puts a network between browser and gateway: pages that are opened from now on go through it. */
  async putWire() {
    this.wire = new Wire();
    await this.wire.open(HOST, this.settings.listen);
    this.url = `http://${this.wire.address}`;
  }

  /** Ends everything, also what has not started as it should. */
  async stop() {
    this.wire?.close();
    await this.browser?.close();
    this.server?.close();
    await Promise.all(this.programs.map((program) => program.stop('SIGKILL')));
    await rm(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }

  async run(name, command, args, ready) {
    const program = new Program(name, command, args);
    this.programs.push(program);
    return { program, match: await program.written(ready) };
  }

  /** The app is back at the same address when it is started again. */
  async startApp() {
    const address = this.app?.address ?? `${HOST}:0`;
    const { program, match } = await this.run('sampleapp', binary('sampleapp'),
      ['-db', this.database, '-key', KEY, '-listen', address], /^[\d.]+:\d+$/m);
    this.app = { program, address: match[0], url: `http://${match[0]}` };
  }

  async startBehind() {
    this.server = createWebServer(this.behind);
    await new Promise((resolve) => this.server.listen(0, HOST, resolve));
    return `http://${HOST}:${this.server.address().port}`;
  }

  async startRedis() {
    const port = await freePort();
    const { program } = await this.run('redis-server', 'redis-server',
      ['--bind', HOST, '--port', port, '--save', '', '--dir', this.folder], /Ready to accept connections/);
    this.redis = program;
    this.settings.redis = { url: `redis://${HOST}:${port}` };
  }

  async startSluice() {
    const file = join(this.folder, 'sluice.yaml');
    await writeFile(file, JSON.stringify(this.settings)); // which is YAML too
    const { program, match } = await this.run('sluice', binary('sluice'),
      ['serve', '--config', file], /"serving","listen":"([^"]+)","admin":"([^"]+)"/);
    this.sluice = program;
    this.settings.listen = match[1]; // where pages expect it when it comes back
    this.url ??= `http://${match[1]}`;
    this.adminURL = `http://${match[2]}`;
  }

  async startFront() {
    const { match } = await this.run('front', binary('front'), ['-listen', `${HOST}:0`, '-to', this.url], /^[\d.]+:\d+$/m);
    this.url = `https://${match[0]}`;
  }

  // Playwright's own way to start a browser keeps every tab visible and awake, so that nothing can be hidden. Without a
  // first window, since connecting while that one is being opened sometimes hangs.
  async startBrowser() {
    const flags = [...BROWSER_FLAGS, '--no-startup-window', '--remote-debugging-port=0', `--user-data-dir=${join(this.folder, 'profile')}`];
    if (this.front) flags.push('--ignore-certificate-errors');
    const { match } = await this.run('chromium', process.env.CHROMIUM || 'chromium', flags, /DevTools listening on (ws:\S+)/);
    this.browser = await chromium.connectOverCDP(match[1], { noDefaults: true });
    this.context = this.browser.contexts()[0];
  }

  /** Changes the flags of a running gateway, and waits until they are in force. */
  async changeFlags(flags) {
    const loads = () => this.sluice.log.split('"flag file loaded"').length;
    const before = loads();
    await this.writeFlags(flags);
    await expect.poll(loads).toBe(before + 1);
  }

  /** Replaces the flag file in one step, as an operator's editor does. */
  async writeFlags({ transport, stream }) {
    const flag = (value, ...values) => ({
      state: 'ENABLED', variants: Object.fromEntries(values.map((one) => [one, one])), defaultVariant: value,
    });
    const file = this.settings.rollout.flags;
    await writeFile(`${file}.new`, JSON.stringify({ flags: {
      'notifications-transport': flag(transport, 'sse', 'poll'),
      'legacy-stream': flag(stream, 'upstream', 'bridge', 'retired'),
    } }));
    await rename(`${file}.new`, file);
  }

  /** Signs the browser in, and leaves the start page open in its window. A cookie is for all ports of a host. */
  async signIn(user = 'alice', url = this.url) {
    this.home ??= await this.openWindow();
    await this.home.goto(url);
    await this.home.getByRole('button', { name: user }).click();
    await this.home.getByText(`You are signed in as ${user}`).waitFor();
  }

  async signOut() {
    await this.home.getByRole('button', { name: 'Sign out' }).click();
    await this.home.getByText('Sign in as one of three people').waitFor();
  }

  /**
   * Opens a page in a window of its own, where it stays visible. `interval` is the page's polling interval in seconds,
   * null its own; `url` is where the page is asked for.
   */
  async open(path, { interval = 1, url = this.url } = {}) {
    const tab = new Tab(await this.openWindow());
    this.tabs.push(tab);
    await tab.record(interval);
    await tab.page.goto(url + path);
    return tab;
  }

  /** Puts the drop-in before the old page's own scripts, as one script tag does. */
  async useDropIn() {
    await this.context.route('**/dashboard/old', async (route) => {
      const response = await route.fetch();
      const tag = '<script src="/_sluice/eventsource.js" data-interval="1"></script>';
      await route.fulfill({ response, body: (await response.text()).replace('<head>', `<head>${tag}`) });
    });
  }

  async openWindow() {
    const opened = this.context.waitForEvent('page');
    const devtools = await this.browser.newBrowserCDPSession();
    await devtools.send('Target.createTarget', { url: 'about:blank', newWindow: true });
    await devtools.detach();
    return opened;
  }

  /** Writes notifications into the app's database, whether the app is there or not. A row may be its text alone. */
  async insert(...rows) {
    const list = rows.map((row) => ({ user: 'alice', level: 'info', ...(typeof row === 'string' ? { text: row } : row) }));
    const json = list.map((row) => ({ ...row, context: JSON.stringify(row.context ?? {}) }));
    await promisify(execFile)(binary('sampleapp'), ['-db', this.database, '-insert', JSON.stringify(json)]);
  }

  /** Starts a job of the app, and returns its id. */
  async startJob(order) {
    const cookies = await this.context.cookies(this.url);
    const token = cookies.find(({ name }) => name === 'csrf_token').value;
    const answer = await this.context.request.post(`${this.url}/jobs`, { data: order, headers: { 'X-CSRF-Token': token } });
    expect(answer.status()).toBe(202);
    return (await answer.json()).job_id;
  }

  /** The value of one of the gateway's metrics, named with its labels. */
  async metric(name) {
    const text = await (await fetch(`${this.adminURL}/metrics`)).text();
    const line = text.split('\n').find((l) => l.startsWith(`${name} `));
    return Number(line.slice(name.length));
  }

  /** Prints the gateway's log, without what is in every one. */
  printLog() {
    const lines = this.sluiceLog().split('\n').filter((line) => !/"path":"\/static|"poll: empty"/.test(line));
    console.log(`sluice wrote:\n${lines.join('\n')}`);
  }

  sluiceLog() {
    return this.programs.filter(({ name }) => name === 'sluice').map(({ log }) => log).join('--- started again\n');
  }

  /** What must not happen in any test. */
  faults() {
    const panics = this.sluiceLog().split('\n').filter((line) => line.includes('panic'));
    return [...panics, ...this.tabs.flatMap((tab) => tab.faults)];
  }
}

function binary(name) {
  return join(process.env.SLUICE_E2E_BIN, name);
}

async function freePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, HOST, resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}
