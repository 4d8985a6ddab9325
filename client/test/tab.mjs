// A browser tab for tests: runs the built script against a clock, storage and network that the test controls.

import { readFileSync } from 'node:fs';
import vm from 'node:vm';

const scripts = Object.fromEntries(['client', 'eventsource'].map((name) =>
  [name, new vm.Script(readFileSync(new URL(`../.build/${name}.js`, import.meta.url), 'utf8'))]));

/** The tab's clock starts here. */
export const START = Date.UTC(2026, 0, 2, 3, 4, 5);

export class FakeStorage {
  values = new Map();
  getItem(key) { return this.values.get(key) ?? null; }
  setItem(key, value) { this.values.set(key, String(value)); }
  removeItem(key) { this.values.delete(key); }
}

/** Reports listeners that throw and goes on, and calls none that was added or removed meanwhile, as browsers do. */
class Target {
  #listeners = new Set();
  errors = [];
  addEventListener(type, listener, { signal, capture } = {}) {
    const one = { type, listener, capture };
    this.#listeners.add(one);
    signal?.addEventListener('abort', () => this.#listeners.delete(one));
  }
  get listeners() { return this.#listeners.size; }
  dispatchEvent(event) { return this.#call(event, 2, () => true); }
  /** Something in the page gets this event, which comes by on its way there and, if it bubbles, back. */
  passes(event) { return this.#call(event, 1, ({ capture }) => capture) && this.#call(event, 3, ({ capture }) => !capture && event.bubbles); }
  #call(event, eventPhase, wanted) {
    Object.defineProperty(event, 'eventPhase', { value: eventPhase, configurable: true });
    for (const one of [...this.#listeners]) {
      if (one.type !== event.type || !wanted(one) || !this.#listeners.has(one)) continue;
      try { one.listener(event); } catch (error) { this.errors.push(error); }
    }
    return true;
  }
}

/** One request that the script has sent; the test answers it, or lets it hang. */
class Request {
  constructor(url, init, at) {
    Object.assign(this, { url, init, at, open: true });
    this.params = new URL(url, 'http://app.test').searchParams;
    this.response = new Promise((resolve, reject) => Object.assign(this, { resolve, reject }));
    init.signal.addEventListener('abort', () => this.fail(new DOMException('aborted', 'AbortError')));
  }
  async reply(body, headers = { 'X-Poll-Interval': '5' }, status = 200) {
    this.open = false;
    this.resolve({ status, ok: status < 300, headers: new Headers(headers), json: async () => structuredClone(body) });
    await settle();
  }
  refuse(status, headers = {}) { return this.reply({ detail: 'no' }, headers, status); }
  async fail(error = new TypeError('network')) {
    this.open = false;
    this.reject(error);
    await settle();
  }
}

/** Lets everything run that waits for no timer. */
const settle = () => new Promise((resolve) => setImmediate(resolve));

/** What the tabs of one browser share: locks and channels, as the standards have them, in the tabs' common time. */
export class Browser {
  tabs = [];
  local = new FakeStorage();
  #held = new Map();
  #queues = new Map();
  #channels = new Set();

  /** Moves all tabs' clocks together, step by step. */
  async advance(ms, step = 100) {
    let done = 0;
    do {
      const now = Math.min(step, ms - done);
      await Promise.all(this.tabs.map((tab) => tab.advance(now)));
      done += step;
    } while (done < ms);
  }

  /** The LockManager of one tab. */
  locksOf(tab) {
    return { request: (name, { signal, steal }, callback) => new Promise((resolve, reject) => {
      const claim = { tab, callback, resolve, reject };
      if (steal) {
        const holder = this.#held.get(name);
        this.#held.delete(name);
        holder?.tab.task(() => holder.reject(new DOMException('stolen', 'AbortError')));
        return this.#grant(name, claim);
      }
      const queue = this.#queues.get(name) ?? [];
      this.#queues.set(name, queue);
      queue.push(claim);
      signal?.addEventListener('abort', () => {
        const at = queue.indexOf(claim);
        if (at < 0) return;
        queue.splice(at, 1);
        reject(new DOMException('aborted', 'AbortError'));
      });
      this.#next(name);
    }) };
  }

  #next(name) {
    if (!this.#held.has(name) && this.#queues.get(name)?.length) this.#grant(name, this.#queues.get(name).shift());
  }

  #grant(name, claim) {
    this.#held.set(name, claim);
    queueMicrotask(() => claim.tab.task(async () => {
      const result = await claim.callback({ name }); // also if it was stolen before the tab could run
      if (this.#held.get(name) !== claim) return;
      this.#held.delete(name);
      claim.resolve(result);
      this.#next(name);
    }));
  }

  /** The tab that holds the lock. */
  get leader() { return [...this.#held.values()][0]?.tab; }

  /** The tab is gone at once, as when its renderer was killed. */
  kill(tab) {
    tab.kill();
    for (const channel of this.#channels) if (channel.tab === tab) channel.close();
    for (const [name, queue] of this.#queues) this.#queues.set(name, queue.filter((claim) => claim.tab !== tab));
    for (const [name, claim] of this.#held) {
      if (claim.tab !== tab) continue;
      this.#held.delete(name);
      this.#next(name);
    }
    this.tabs = this.tabs.filter((other) => other !== tab);
  }

  /** The BroadcastChannel of one tab. Messages are delivered to tabs that are not stopped. */
  channelOf(tab) {
    const channels = this.#channels;
    return class {
      constructor(name) {
        Object.assign(this, { name, tab });
        channels.add(this);
      }
      postMessage(data) {
        tab.posted = (tab.posted ?? 0) + 1;
        if (this.tab.killed) return;
        if (!channels.has(this)) throw new DOMException('closed', 'InvalidStateError');
        for (const other of channels) {
          if (other === this || other.name !== this.name) continue;
          const copy = structuredClone(data);
          queueMicrotask(() => other.tab.task(() => channels.has(other) && other.onmessage?.({ data: copy })));
        }
      }
      close() { channels.delete(this); }
    };
  }

  channelsOf(tab) { return [...this.#channels].filter((channel) => channel.tab === tab).length; }
}

/** One EventSource of the browser that was opened; the test plays the server. */
class Stream extends EventTarget {
  static CONNECTING = 0;
  static OPEN = 1;
  static CLOSED = 2;
  #state = 0;
  #url;
  #on = {};
  constructor(tab, url) {
    super();
    this.#url = String(url);
    Object.defineProperties(this, {
      at: { value: tab.now }, params: { value: new URL(url, 'http://app.test').searchParams },
      opens: { value: () => this.#says(1, 'open') },
      /** Sends one item with the place after it. */
      sends: { value: (item, lastEventId) => this.#says(1, 'message', { data: JSON.stringify({ type: 'notification.created', data: item }), lastEventId }) },
      /** It ends, or cannot be opened; the browser tries again, unless `closed`. */
      ends: { value: (closed = false) => this.#says(closed ? 2 : 0, 'error') },
    });
    tab.streams.push(this);
  }
  async #says(state, type, fields = {}) {
    if (this.#state === 2) return; // closed for good
    this.#state = state;
    this.#on[type]?.(fields);
    await settle();
  }
  // What is the interface's own; on anything else than one of these it throws, as in a browser.
  get readyState() { return this.#state; }
  get url() { return this.#url; }
  get withCredentials() { return this.#on && false; }
  get onopen() { return this.#on.open ?? null; }
  set onopen(next) { this.#on.open = next; }
  get onmessage() { return this.#on.message ?? null; }
  set onmessage(next) { this.#on.message = next; }
  get onerror() { return this.#on.error ?? null; }
  set onerror(next) { this.#on.error = next; }
  close() { this.#state = 2; }
}

export class Tab {
  requests = [];
  streams = [];
  events = [];
  triggers = [];
  elements = {};
  now = 0;
  random = 0.5;
  #timers = new Map();
  #ids = 0;

  constructor({ local = new FakeStorage(), session = new FakeStorage(), hidden = false, readyState = 'complete', dataset = {}, page = {}, browser, script = 'client' } = {}) {
    if (browser) local = browser.local;
    browser?.tabs.push(this);
    Object.assign(this, { local, session, browser, script, now: browser?.tabs[0].now ?? 0 });
    this.window = Object.assign(new Target(), {
      localStorage: local, sessionStorage: session,
      fetch: (url, init) => this.#fetch(url, init),
      htmx: { trigger: (element, event) => this.#trigger(element, event) },
    }, page);
    this.document = Object.assign(new Target(), {
      hidden, readyState, currentScript: { dataset }, baseURI: 'http://app.test/page', querySelector: (selector) => this.elements[selector] ?? null,
    });
    this.window.document = this.document;
    for (const name of ['toast', 'notification:created', 'notification:unauthorized', 'document:activity', 'job:activity', 'sluice:transport']) {
      this.window.addEventListener(name, ({ detail }) => this.events.push([name, structuredClone(detail)]));
    }
    this.load();
  }

  /** Runs the script, as one script tag does. */
  load() {
    const { window, document } = this;
    this.window.EventSource ??= this.#streamClass();
    this.window.location = new URL('http://app.test/page');
    scripts[this.script].runInNewContext({
      window, document, Set, AbortController, URLSearchParams, CustomEvent,
      fetch: (...args) => window.fetch(...args),
      console: { error: (...args) => window.errors.push(args) },
      CSS: { escape: (text) => text.replace(/["\\]/g, '\\$&') },
      Math: Object.create(Math, { random: { value: () => this.random } }),
      Date: { parse: Date.parse, now: () => START + this.now },
      performance: { now: () => this.now },
      setTimeout: (action, delay = 0) => { if (!(delay < 2 ** 31)) delay = 0; this.#timers.set(++this.#ids, { action, at: this.now + delay }); return this.#ids; },
      clearTimeout: (id) => this.#timers.delete(id),
      setInterval: (action, every) => { this.#timers.set(++this.#ids, { action, at: this.now + every, every }); return this.#ids; },
      clearInterval: (id) => this.#timers.delete(id),
      ...(this.browser && { navigator: { locks: this.browser.locksOf(this) }, BroadcastChannel: this.browser.channelOf(this) }),
      get EventSource() { return window.EventSource; },
      location: window.location, URL, EventTarget, Event, MessageEvent,
    });
  }

  #streamClass() {
    const tab = this;
    class EventSource extends Stream { constructor(url) { super(tab, url); } }
    const { constructor: _, ...members } = Object.getOwnPropertyDescriptors(Stream.prototype);
    Object.defineProperties(EventSource.prototype, members); // each tab has an interface of its own
    return EventSource;
  }

  /** Runs something that the browser has for this tab, or keeps it for later while the tab is stopped. */
  task(action) {
    if (this.stopped) this.stopped.push(action);
    else action();
  }

  /** Its process stands still: it holds what it holds, and nothing runs in it. */
  halt() { this.stopped = []; }

  /** It goes on where it was; what came due in between runs now. */
  async wakeUp() {
    const missed = this.stopped;
    this.stopped = undefined;
    missed.forEach((action) => action());
    await this.advance(0);
  }

  /** A timer of the page's own. */
  after(delay, action) { this.#timers.set(++this.#ids, { action, at: this.now + delay }); }

  get timers() { return this.#timers.size; }

  kill() { this.#timers.clear(); this.stopped = []; this.killed = true; }

  #fetch(url, init) {
    const request = new Request(url, init, this.now);
    this.requests.push(request);
    this.most = Math.max(this.most ?? 0, this.requests.filter(({ open }) => open).length);
    return request.response;
  }

  #trigger(element, event) {
    if (!element) throw new TypeError('htmx.trigger(null)');
    this.triggers.push(`${event} ${element}`);
  }

  /** Moves the clock, running what falls due on the way. */
  async advance(ms) {
    const end = this.now + ms;
    for (; !this.stopped;) {
      const [id, timer] = [...this.#timers].sort(([, a], [, b]) => a.at - b.at)[0] ?? [];
      if (!timer || timer.at > end) break;
      this.now = Math.max(this.now, timer.at);
      if (timer.every) timer.at = this.now + timer.every;
      else this.#timers.delete(id);
      timer.action();
      await settle();
    }
    this.now = end;
    await settle();
  }

  /** The machine sleeps: time goes on, and what falls due runs once, late. */
  async sleep(ms) {
    this.now += ms;
    await this.advance(0);
  }

  /** The newest request, which is made first if it is due now. */
  async request() {
    await this.advance(0);
    return this.requests.at(-1);
  }

  hide(hidden = true) {
    this.document.hidden = hidden;
    this.document.dispatchEvent(new Event('visibilitychange'));
  }
  show() { this.hide(false); }
  happens(type, fields = {}) { this.window.dispatchEvent(Object.assign(new Event(type), fields)); }

  details(name) { return this.events.filter(([type]) => type === name).map(([, detail]) => detail); }
  get toasts() { return this.details('toast').map(({ text }) => text); }
  get created() { return this.details('notification:created').map(({ id }) => id); }
}

/** An item as the gateway sends it, `age` seconds old when the tab was opened. */
export const item = (id, { age = 0, ...fields } = {}) => ({
  id, level: 'info', text: `text of ${id}`, title: '', context: {}, created_at: new Date(START - age * 1000).toISOString(), ...fields,
});

/** A page, newest first, from ids or items given oldest first. */
export const page = (...items) => ({ notifications: items.map((it) => (typeof it === 'string' ? item(it) : it)).reverse() });
