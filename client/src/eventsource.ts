// The drop-in: one script tag before the page's own scripts, and `new EventSource('/api/stream')` polls. Any other address
// stays native, and so does one that names its own place in the query. Pages written against EventSource run unchanged,
// and see an error when an outage begins instead of one at the end of each bounded stream.
//
//   <script src="/_sluice/eventsource.js"></script>

import { connect } from './connect.js';
import type { Item } from './items.js';
import { raise } from './page.js';
import { createIds } from './shown.js';
import { safeStore } from './storage.js';

/** Filled in by the build. */
declare const SLUICE_VERSION: string;

/** The app's own number: what a page without a place is sent at first. */
const LIMIT = '20';

const Native = window.EventSource;
const [CONNECTING, OPEN, CLOSED] = [0, 1, 2] as const;

type Handler = (event: Event) => unknown;

/** One EventSource of the page. */
interface Source {
  state: typeof CONNECTING | typeof OPEN | typeof CLOSED;
  readonly target: EventTarget;
  readonly url: string;
  readonly withCredentials: boolean;
  /** What is set as onopen, onmessage and onerror, by the type of event. */
  readonly handlers: Map<string, Handler | null>;
}

/** Those that are not closed. They share the poller, and with it the outage: it is the page's, not theirs. */
const sources = new Set<Source>();
let connected = false;

const isRepeated = createIds();
const stores = { tab: safeStore(() => window.sessionStorage), browser: safeStore(() => window.localStorage) };
const asker = { client: `drop-in/${SLUICE_VERSION}`, fetch: (url: string, init: RequestInit) => fetch(url, init) };
const interval = Number(document.currentScript?.dataset.interval) * 1000;

const connection = connect({
  deliver({ items, after, at }) {
    let all = true;
    items.forEach((item, i) => {
      all = sources.size > 0; // the page may close the last one on the way
      if (!all || isRepeated([item])[0]) return;
      const init = { data: envelope(item), lastEventId: i < items.length - 1 ? after : at || after, origin: location.origin };
      each((source) => {
        open(source); // it was about to
        if (source.state === OPEN) source.target.dispatchEvent(new MessageEvent('message', init));
      });
    });
    return all;
  },
  connected() {
    connected = true;
    each(open);
  },
  disconnected() {
    connected = false;
    fail(CONNECTING);
  },
  unauthorized() {
    connected = false;
    fail(CLOSED);
    raise('notification:unauthorized', null);
  },
  switched() {},
}, LIMIT, asker, stores, { interval });

/** Those that are there now: not what the page opens in a handler, nor what it closes there. */
function each(action: (source: Source) => void): void {
  [...sources].forEach((source) => sources.has(source) && action(source));
}

function open(source: Source): void {
  if (source.state !== CONNECTING) return;
  source.state = OPEN;
  source.target.dispatchEvent(new Event('open'));
}

/** The page is told once. What it opens in the middle of it, as the old page does, stays CONNECTING until it is over. */
function fail(state: Source['state']): void {
  each((source) => {
    if (state === CLOSED) close(source);
    source.state = state;
    source.target.dispatchEvent(new Event('error'));
  });
}

function close(source: Source): void {
  source.state = CLOSED;
  if (!sources.delete(source) || sources.size) return;
  connected = false;
  connection.stop();
}

/** An item as the legacy stream sends it. */
function envelope({ id, level, text, title, created_at, context }: Item): string {
  const at = String(created_at).replace(/^(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d).*/, '$1 $2');
  return JSON.stringify({ type: 'notification.created', data: { id, level, text, title, created_at: at, context } });
}

/** The address if it is the legacy stream's; undefined as well where the browser is to complain of it. */
function ours(address: unknown): URL | undefined {
  try {
    const url = new URL(String(address), document.baseURI);
    const places = url.searchParams.has('last_event_id') || url.searchParams.has('lastEventId');
    return url.origin === location.origin && url.pathname === '/api/stream' && !places ? url : undefined;
  } catch {
    return undefined;
  }
}

/** All that the page has made, closed or not. */
const made = new WeakMap<object, Source>();

/**
 * Has a member of EventSource serve ours as well. It stays on the prototype, where a page may override it, wrap it or call
 * it by `super`.
 */
function share(name: string, act: (source: Source, value: unknown) => unknown, kind: 'get' | 'set' | 'value' = 'get'): void {
  const native = Object.getOwnPropertyDescriptor(Native.prototype, name)?.[kind];
  Object.defineProperty(Native.prototype, name, {
    [kind](this: object, value?: unknown) {
      const source = made.get(this);
      return source ? act(source, value) : native.call(this, value);
    },
  });
}

share('readyState', ({ state }) => state);
share('url', ({ url }) => url);
share('withCredentials', ({ withCredentials }) => withCredentials);
share('close', close, 'value');
for (const type of ['open', 'message', 'error']) {
  share(`on${type}`, ({ handlers }) => handlers.get(type) ?? null);
  share(`on${type}`, ({ target, handlers }, next) => {
    if (!handlers.has(type)) target.addEventListener(type, (event) => handlers.get(type)?.call(target, event));
    handlers.set(type, typeof next === 'function' ? (next as Handler) : null);
  }, 'set');
}

function attach(target: EventTarget, url: string, withCredentials: boolean): void {
  const source: Source = { state: CONNECTING, target, url, withCredentials, handlers: new Map() };
  made.set(target, source);
  sources.add(source);
  // Not before the page has had time to set its handlers.
  if (connected) setTimeout(() => connected && open(source));
  else connection.start();
}

window.EventSource = new Proxy(Native, {
  construct(_, args: [string, EventSourceInit?], newTarget) {
    const url = args.length ? ours(args[0]) : undefined;
    if (!url) return Reflect.construct(Native, args, newTarget);
    const target: EventTarget = Reflect.construct(EventTarget, [], newTarget);
    attach(target, url.href, !!args[1]?.withCredentials);
    return target;
  },
});
