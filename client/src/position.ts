import type { Answer } from './items.js';
import type { Store } from './storage.js';

// The guide's key, and the gateway's cursor beside it. The id stays, for the guide's own client and for the bare app.
const ID_KEY = 'last_notification_id';
const CURSOR_KEY = 'last_notification_cursor';

/**
 * How far this tab has come: the id of the newest item, and the gateway's opaque cursor when there is one. Each tab has
 * its own position and keeps it over a reload; a new tab starts where the browser's last tab was.
 */
export interface Position {
  /** What to send as `after_id`; empty when there is nothing to go on from. */
  readonly after: string;
  /** Whether `after` is something that only the gateway understands. */
  readonly opaque: boolean;
  /** Moves behind an answer; call it once its items were shown. Reports whether that was a move. */
  moveTo(answer: Answer): boolean;
  /** The server cannot use what we sent: fall back from the cursor to the id, and from the id to nothing. */
  stepBack(): void;
}

export function createPosition(tab: Store, browser: Store): Position {
  const start = tab.get(CURSOR_KEY) || tab.get(ID_KEY) ? tab : browser;
  let id = start.get(ID_KEY);
  let cursor = start.get(CURSOR_KEY);
  save(tab); // or a reload would start where another tab has got to in the meantime

  function save(...stores: Store[]): void {
    stores.forEach((store) => {
      store.set(ID_KEY, id);
      store.set(CURSOR_KEY, cursor);
    });
  }

  return {
    get after() {
      return cursor || id;
    },
    get opaque() {
      return cursor !== '';
    },
    moveTo(answer) {
      const before = cursor || id;
      if (cursor && answer.cursor === cursor) return false; // the last item is a repeat from behind the place
      const newest = answer.items[answer.items.length - 1]?.id;
      id = newest ?? (answer.reset ? '' : id);
      // An empty page without a cursor means "as before"; items without one come from the bare app.
      if (answer.cursor || newest || answer.reset) cursor = answer.cursor;
      if ((cursor || id) === before) return false;
      save(tab);
      if (!answer.hasMore) save(browser); // a place on the way through a backlog is none for new tabs
      return true;
    },
    stepBack() {
      if (cursor) cursor = '';
      else id = '';
      save(tab, browser);
    },
  };
}
