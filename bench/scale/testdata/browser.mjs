// Lets tabs of one browser, with the client's own script, go through what it reads, once for each of several lives; a
// server answers at once. Writes when they polled, in milliseconds.
import { readFileSync } from 'node:fs';

const { Browser, Tab, page } = await import(process.argv[2]);

async function live({ events, items, down }) {
  const browser = new Browser();
  const polls = [];
  const reply = (status, headers, body) => ({ status, ok: status < 300, headers: new Headers(headers), json: async () => body });

  function answer(tab, url) {
    polls.push(tab.now);
    if (tab.now >= down.from && tab.now < down.until) return reply(503, { 'Retry-After': String(down.retryAfter) }, {});
    const after = new URL(url, 'http://app.test').searchParams.get('after_id');
    const there = items.filter((at) => at <= tab.now).length;
    const fresh = items.slice(after ? Number(after.slice(1)) : there, there).map((at) => `i${at}`);
    return reply(200, { 'X-Poll-Interval': '5' }, { ...page(...fresh), ...(after === `c${there}` ? {} : { cursor: `c${there}` }) });
  }

  function open(session) {
    let tab;
    const fetch = async (url) => answer(tab ?? browser.tabs.at(-1), url); // it polls while it is made
    tab = new Tab({ browser, page: { fetch }, ...(session && { session }) });
    tab.random = 0.51;
    return tab;
  }

  new Tab({ browser, hidden: true }); // never seen: it keeps the browser's time
  let [front, back] = [];
  const happens = {
    load() {
      const session = front?.session;
      if (front) browser.kill(front);
      front = open(session);
    },
    switch() {
      front.hide();
      [front, back] = [back, front];
      if (front) front.show();
      else front = open();
    },
    hide: () => front.hide(),
    show: () => front.show(),
    input: () => front.window.passes(new Event('pointerdown')),
  };
  let now = 0;
  for (const { at, does } of events) {
    await browser.advance(at - now, at - now);
    now = at;
    happens[does]?.();
    await browser.advance(0);
  }
  return polls;
}

const lives = [];
for (const life of JSON.parse(readFileSync(0, 'utf8'))) lives.push(await live(life));
console.log(JSON.stringify(lives));
