// A browser tab for tests: runs the built script against a clock, storage and network that the test controls.

import { readFileSync } from 'node:fs';
import vm from 'node:vm';

const script = new vm.Script(readFileSync(new URL('../.build/client.js', import.meta.url), 'utf8'));

/** The tab's clock starts here. */
export const START = Date.UTC(2026, 0, 2, 3, 4, 5);

export class FakeStorage {
  values = new Map();
  getItem(key) { return this.values.get(key) ?? null; }
  setItem(key, value) { this.values.set(key, String(value)); }
  removeItem(key) { this.values.delete(key); }
}

/** Reports listeners that throw and goes on, as browsers do. */
class Target {
  #listeners = [];
  errors = [];
  addEventListener(type, listener) { this.#listeners.push([type, listener]); }
  dispatchEvent(event) {
    for (const [type, listener] of this.#listeners) {
      if (type !== event.type) continue;
      try { listener(event); } catch (error) { this.errors.push(error); }
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

export class Tab {
  requests = [];
  events = [];
  triggers = [];
  elements = {};
  now = 0;
  random = 0.5;
  #timers = new Map();
  #ids = 0;

  constructor({ local = new FakeStorage(), session = new FakeStorage(), hidden = false, readyState = 'complete', dataset = {}, page = {} } = {}) {
    Object.assign(this, { local, session });
    this.window = Object.assign(new Target(), {
      localStorage: local, sessionStorage: session,
      fetch: (url, init) => this.#fetch(url, init),
      htmx: { trigger: (element, event) => this.#trigger(element, event) },
    }, page);
    this.document = Object.assign(new Target(), {
      hidden, readyState, currentScript: { dataset }, querySelector: (selector) => this.elements[selector] ?? null,
    });
    this.window.document = this.document;
    for (const name of ['toast', 'notification:created', 'notification:unauthorized', 'document:activity', 'job:activity']) {
      this.window.addEventListener(name, ({ detail }) => this.events.push([name, structuredClone(detail)]));
    }
    this.load();
  }

  /** Runs the script, as one script tag does. */
  load() {
    const { window, document } = this;
    script.runInNewContext({
      window, document, Set, AbortController, URLSearchParams, CustomEvent,
      console: { error: (...args) => window.errors.push(args) },
      CSS: { escape: (text) => text.replace(/["\\]/g, '\\$&') },
      Math: Object.create(Math, { random: { value: () => this.random } }),
      Date: { parse: Date.parse, now: () => START + this.now },
      performance: { now: () => this.now },
      setTimeout: (action, delay) => { this.#timers.set(++this.#ids, { action, at: this.now + delay }); return this.#ids; },
      clearTimeout: (id) => this.#timers.delete(id),
    });
  }

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
    for (;;) {
      const [id, timer] = [...this.#timers].sort(([, a], [, b]) => a.at - b.at)[0] ?? [];
      if (!timer || timer.at > end) break;
      this.#timers.delete(id);
      this.now = Math.max(this.now, timer.at);
      timer.action();
      await settle();
    }
    this.now = end;
    await settle();
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
