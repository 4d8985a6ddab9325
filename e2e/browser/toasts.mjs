// Measures how often old tabs raise a false alarm: each end of their stream is one. scripts/toasts runs it; every
// combination has a world of its own, and all of them run at the same time.

import { execFileSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import build from './build.mjs';
import { World } from './world.mjs';

const { values: options } = parseArgs({ options: {
  'minutes': { type: 'string', default: '15' },
  'drop-in': { type: 'string', default: 'both' }, // without, with or both
} });
const MINUTE = 60_000;
const DURATION = Number(options.minutes) * MINUTE;
const DROP_INS = { without: [false], with: [true], both: [false, true] }[options['drop-in']];
if (!(DURATION > 0) || !DROP_INS) throw new Error('--minutes needs a number, --drop-in one of without, with, both');

// How long the streams of old pages may last, and the short ones that a browser gets besides its four long ones.
const SETTINGS = [{ long: 25, short: 25 }, { long: 290, short: 25 }, { long: 290, short: 290 }];

const PATH = '/dashboard/old';
const DROP_IN = '/_sluice/eventsource.js';
const GRACE = MINUTE; // for what was written last, and for a tab that is without a stream just then

/** Measures one combination. Rates are per hour and tab. */
async function measure({ setting, dropIn, front, count }) {
  const world = new World({ front, compat: { old_page_duration: `${setting.long}s`, max_duration: `${setting.short}s` } });
  worlds.push(world);
  await world.start();
  await world.signIn();
  if (dropIn) await putDropIn(world);
  const tabs = [];
  while (tabs.length < count) tabs.push(await world.open(PATH));
  await world.context.unrouteAll(); // what follows goes its usual way
  await checkProtocol(tabs[0], front ? 'h2' : 'http/1.1');
  const begin = Date.now();
  const loading = loadPages(world, begin + DURATION);
  loading.catch(() => {}); // what it throws is thrown below
  const written = await write(world, begin + DURATION);
  const hours = (Date.now() - begin) / (60 * MINUTE);
  const toasts = await Promise.all(tabs.map((tab) => tab.outages()));
  const ends = await world.metric('sluice_compat_stream_closes_total{reason="bounded"}');
  const shown = await Promise.all(tabs.map((tab) => waitForAll(tab, written)));
  const loads = await loading;
  const faults = world.faults();
  if (faults.length) throw new Error(faults.join('\n'));
  return {
    setting, dropIn, front, count,
    ends: ends / count / hours,
    toasts: toasts.map((n) => n / hours),
    slowest: Math.max(...loads),
    written: written.length,
    lost: sum(shown.map((texts) => written.filter((text) => !texts.includes(text)).length)),
    repeated: sum(shown.map((texts) => texts.length - new Set(texts).size)),
  };
}

/** Puts the drop-in before the old script of each page that is opened from now on. */
async function putDropIn(world) {
  const { status } = await fetch(`http://${world.settings.listen}${DROP_IN}`);
  if (status !== 200) throw new Error(`${DROP_IN}: status ${status}`);
  await world.context.route(`**${PATH}`, async (route) => {
    const page = await world.context.request.get(world.app.url + PATH); // cookies are the same on all ports
    const body = (await page.text()).replace('<head>', `<head><script src="${DROP_IN}"></script>`);
    await route.fulfill({ contentType: 'text/html; charset=utf-8', body });
  });
}

async function checkProtocol({ page }, want) {
  const got = await page.evaluate(() => performance.getEntriesByType('resource')[0].nextHopProtocol);
  if (got !== want) throw new Error(`the browser speaks ${got}, not ${want}`);
}

/** Writes a notification now and then until the time has come, and returns their texts. */
async function write(world, until) {
  const texts = [];
  for (;;) {
    const wait = 10_000 + Math.random() * 20_000;
    if (Date.now() + wait > until) {
      await sleep(until - Date.now());
      return texts;
    }
    await sleep(wait);
    texts.push(`number ${texts.length + 1}`);
    await world.insert(texts.at(-1));
  }
}

/** Loads a page without a stream again and again, and returns how long each time took, in milliseconds. */
async function loadPages(world, until) {
  const loads = [];
  while (Date.now() < until) {
    const begin = Date.now();
    await world.home.goto(world.url, { timeout: 0 });
    loads.push(Date.now() - begin);
    await sleep(5000);
  }
  return loads;
}

/** Gives a tab time to show everything, and returns all that it has shown. */
async function waitForAll(tab, written) {
  const texts = async () => (await tab.seen('notification:created')).map(({ text }) => text);
  for (const end = Date.now() + GRACE; Date.now() < end; await sleep(100)) {
    if ((await texts()).length >= written.length) break;
  }
  return texts();
}

function sum(numbers) {
  return numbers.reduce((a, b) => a + b, 0);
}

function row({ setting, dropIn, front, count, ends, toasts, slowest, written, lost, repeated }) {
  const least = Math.min(...toasts).toFixed(0), most = Math.max(...toasts).toFixed(0);
  const cells = [
    `${setting.long} s, ${setting.short} s`, front ? 'HTTP/2' : 'HTTP/1.1', count, dropIn ? 'yes' : 'no', ends.toFixed(0),
    (sum(toasts) / count).toFixed(0) + (least === most ? '' : ` (${least}–${most})`),
    `${(slowest / 1000).toFixed(1)} s`, written, lost, repeated,
  ];
  return `| ${cells.join(' | ')} |`;
}

const combinations = SETTINGS.flatMap((setting) => DROP_INS.flatMap((dropIn) =>
  [false, true].flatMap((front) => [1, 6].map((count) => ({ setting, dropIn, front, count })))));
const git = (...args) => execFileSync('git', args, { encoding: 'utf8' }).trim();
const commit = git('rev-parse', '--short', 'HEAD') + (git('status', '--porcelain', '--untracked-files=no') && ', with changes');
const worlds = [];
const clean = await build();
const end = async () => {
  await Promise.allSettled(worlds.map((world) => world.stop()));
  await clean();
};
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => end().finally(() => process.exit(1)));
try {
  const results = await Promise.all(combinations.map(measure));
  console.log(`Measured ${new Date().toISOString().slice(0, 10)} at commit ${commit} for ${options.minutes} minutes.

| Long, short streams | Browsers speak | Tabs | Drop-in | Ends an hour and tab | Toasts an hour and tab | Slowest page load | Notifications | Lost | Repeated |
|---|---|---|---|---|---|---|---|---|---|
${results.map(row).join('\n')}`);
  if (results.some(({ lost, repeated }) => lost || repeated)) process.exitCode = 1;
} finally {
  await end();
}
