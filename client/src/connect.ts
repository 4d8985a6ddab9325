import { follow } from './life.js';
import { createPoller, type Poller, type Port } from './poller.js';
import { createPosition } from './position.js';
import { poll, saysPoll, type Asker } from './request.js';
import { createSchedule, INTERVAL } from './schedule.js';
import type { Store } from './storage.js';

export interface Connection {
  readonly poller: Poller;
  start(): void;
  stop(): void;
}

/** What the page does with what comes; the rest of Port is the same for all. */
export type Show = Omit<Port, 'ask' | 'askToPoll' | 'open'>;

/** Ties a poller to its page, its server and its memory. `limit` is the size of a page, `interval` is in milliseconds. */
export function connect(
  show: Show, limit: string, asker: Asker, stores: { tab: Store; browser: Store },
  { interval = INTERVAL, adaptive = true }: { interval?: number; adaptive?: boolean },
): Connection {
  const Source = globalThis.EventSource; // the drop-in is about to replace it
  const port: Port = {
    ...show,
    ask(after, elapsed, abort) {
      // Without a place of its own, a tab goes on where the browser's old tabs are; the app itself ignores the word.
      const query = new URLSearchParams({ limit, ...(after ? { after_id: after } : { resume: 'legacy' }) });
      return poll(asker, `/api/notifications?${query}`, elapsed, abort);
    },
    askToPoll: (echo = '') => saysPoll(asker, `/_sluice/config?${echo}`),
    open: (after) => Source && new Source(`/api/stream?${new URLSearchParams({ last_event_id: after })}`),
  };
  const poller = createPoller(port, createPosition(stores.tab, stores.browser), createSchedule(interval, adaptive), 'sluice-1');
  let end: AbortController | undefined;
  return {
    poller,
    start() {
      if (!end && globalThis.document) follow(poller, (end = new AbortController()).signal);
      poller.start();
    },
    stop() {
      end?.abort();
      end = undefined;
      poller.stop();
    },
  };
}
