import { connect } from './connect.js';
import { isNews, type Item } from './items.js';
import { announce, guard, raise, refresh, type Toast, type Transport } from './page.js';
import type { Fetch } from './request.js';
import { createShown, type History, type Shown } from './shown.js';
import { safeStore } from './storage.js';

export type { Context, Item } from './items.js';
export type { Fetch, Toast, Transport };

/** Filled in by the build. */
declare const SLUICE_VERSION: string;

/** Each has a default that suits a page behind the gateway. */
export interface Options {
  /** Milliseconds between polls, at least 1,000; the server may ask for more. Default 5,000. */
  readonly interval?: number;
  /** Poll up to four times more rarely while nothing happens. Default true. */
  readonly adaptive?: boolean;
  /**
   * Called once for each item, oldest first. `news` is false for what was there before: on a first page, items older
   * than two minutes, seen or dismissed; on one from the back/forward cache, what the tab has shown meanwhile. What it throws is logged and costs nothing else.
   */
  readonly onNotification?: (item: Item, news: boolean) => void;
  readonly fetch?: Fetch;
  /** Where this tab and this browser remember how far they have come. Default `sessionStorage` and `localStorage`. */
  readonly storage?: { readonly tab?: Storage; readonly browser?: Storage };
}

export interface Client {
  readonly version: string;
  /** False when stopped, and while nobody is signed in. A hidden tab is running, though it does not poll. */
  readonly running: boolean;
  /** How this browser gets its notifications now. */
  readonly transport: Transport;
  start(): void;
  /** Nothing is delivered after this. */
  stop(): void;
}

/** Items of a page. */
const LIMIT = '50';

/** Makes a client; `start` it. One per page is enough: it raises what all parts of the page listen to. */
export function createClient(options: Options = {}): Client {
  const stores = {
    tab: safeStore(() => options.storage?.tab ?? window.sessionStorage),
    browser: safeStore(() => options.storage?.browser ?? window.localStorage),
  };
  const shown = createShown((globalThis.window ?? {}) as History, stores.tab);
  /** What the tab has shown in other pages while this one was in the back/forward cache. */
  let before: Shown | undefined;
  globalThis.window?.addEventListener('pageshow', ({ persisted }) => persisted && (before = createShown({}, stores.tab)));
  const asker = { client: SLUICE_VERSION, fetch: options.fetch ?? ((url: string, init: RequestInit) => fetch(url, init)) };
  const connection = connect({
    deliver({ items, replay, now }) {
      const fresh = shown.fresh(items);
      for (const item of fresh) {
        const news = before?.fresh([item]).length !== 0 && (!replay || isNews(item, now));
        const copy = JSON.parse(JSON.stringify(item)); // what a page does to its items must not reach other tabs, or our memory
        announce(copy, news);
        guard(() => options.onNotification?.(copy, news));
        shown.remember(item);
      }
      guard(() => refresh(fresh));
    },
    connected() {},
    disconnected: () => raise('toast', { type: 'error', text: 'Live updates disconnected, retrying...' }),
    unauthorized: () => raise('notification:unauthorized', null),
    switched: (transport) => raise('sluice:transport', { transport }),
  }, LIMIT, asker, stores, options);
  return {
    version: SLUICE_VERSION,
    get running() {
      return connection.poller.running;
    },
    get transport() {
      return connection.poller.transport;
    },
    start: connection.start,
    stop: connection.stop,
  };
}
