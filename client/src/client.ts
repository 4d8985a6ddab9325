// One script tag starts it: <script src="/_sluice/client.js" defer></script>. Options are attributes of the tag:
// data-interval (seconds between polls, at least 1, default 5) and data-endpoint (default /api/notifications).

import { isNews } from './items.js';
import { announce, announceOutage, announceUnauthorized, refresh } from './page.js';
import { Poller, type Port } from './poller.js';
import { Position } from './position.js';
import { request } from './request.js';
import { INTERVAL } from './schedule.js';
import { Shown } from './shown.js';
import { safeStore, type Store } from './storage.js';

/** Filled in by the build. */
declare const SLUICE_VERSION: string;

const LIMIT = '50';

/** `window.sluice`: for pages that want polling off for a while. */
export interface Handle {
  readonly version: string;
  /** False when stopped, and while nobody is signed in. A hidden tab is running, though it does not poll. */
  readonly running: boolean;
  start(): void;
  stop(): void;
}

declare global {
  interface Window {
    sluice?: Handle;
  }
}

function createPoller(options: DOMStringMap): Poller {
  const tab = safeStore(() => window.sessionStorage);
  const browser = safeStore(() => window.localStorage);
  const seconds = Number(options.interval);
  return new Poller(
    createPort(options.endpoint || '/api/notifications', tab),
    new Position(tab, browser),
    seconds >= 1 ? seconds * 1000 : INTERVAL,
  );
}

function createPort(endpoint: string, tab: Store): Port {
  const shown = new Shown(window as Window & { __notifiedIds?: Set<string> }, tab);
  return {
    ask(after, abort) {
      // Without a place of its own, a tab goes on where the browser's old tabs are; the app itself ignores the word.
      const query = new URLSearchParams(after ? { after_id: after, limit: LIMIT } : { limit: LIMIT, resume: 'legacy' });
      return request((url, init) => window.fetch(url, init), `${endpoint}?${query}`, SLUICE_VERSION, abort);
    },
    deliver(items, replay, now) {
      const fresh = shown.fresh(items);
      for (const item of fresh) {
        guard(() => announce(window, item, !replay || isNews(item, now)));
        shown.remember(item);
      }
      guard(() => refresh(window, fresh));
    },
    disconnected: () => announceOutage(window),
    unauthorized: () => announceUnauthorized(window),
  };
}

/** Whatever a page has done to its window, it costs one item at most. */
function guard(action: () => void): void {
  try {
    action();
  } catch (error) {
    console.error('sluice: showing a notification failed:', error);
  }
}

/** Hidden or cached pages do not poll. No unload or beforeunload: they would keep the page out of the cache. */
function follow(poller: Poller): void {
  const look = () => (document.hidden ? poller.pause() : poller.resume());
  document.addEventListener('visibilitychange', look);
  window.addEventListener('pagehide', () => poller.suspend());
  window.addEventListener('pageshow', (event) => event.persisted && look());
  window.addEventListener('online', () => poller.wake());
  if (document.hidden) poller.pause();
}

/** Not before the page's other deferred scripts have run: an event that nobody listens to yet is lost. */
function whenReady(action: () => void): void {
  if (document.readyState === 'complete') return action();
  let done = false;
  const once = () => {
    if (!done) action();
    done = true;
  };
  window.addEventListener('DOMContentLoaded', once);
  window.addEventListener('load', once);
}

function main(): void {
  if (window.sluice) return; // a second script tag
  const poller = createPoller(document.currentScript?.dataset ?? {});
  window.sluice = {
    version: SLUICE_VERSION,
    get running() {
      return poller.running;
    },
    start: () => poller.start(),
    stop: () => poller.stop(),
  };
  follow(poller);
  whenReady(() => poller.start());
}

main();
