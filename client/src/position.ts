import type { Answer } from './items.js';
import type { Store } from './storage.js';

// The guide's key, and the gateway's cursor beside it. The id stays, for the guide's own client and for the bare app.
const ID_KEY = 'last_notification_id';
const CURSOR_KEY = 'last_notification_cursor';

/**
 * How far this tab has come: the id of the newest item, and the gateway's opaque cursor when there is one. Each tab has
 * its own position and keeps it over a reload; a new tab starts where the browser's last tab was.
 */
export class Position {
  private id: string;
  private cursor: string;

  constructor(private readonly tab: Store, private readonly browser: Store) {
    const start = tab.get(CURSOR_KEY) || tab.get(ID_KEY) ? tab : browser;
    this.id = start.get(ID_KEY);
    this.cursor = start.get(CURSOR_KEY);
    this.saveTo(tab); // or a reload would start where another tab has got to in the meantime
  }

  /** What to send as `after_id`; empty when there is nothing to go on from. */
  get after(): string {
    return this.cursor || this.id;
  }

  /** Whether `after` is something that only the gateway understands. */
  get opaque(): boolean {
    return this.cursor !== '';
  }

  /** Moves behind an answer; call it once its items were shown. Reports whether that was a move. */
  moveTo(answer: Answer): boolean {
    const before = this.after;
    const newest = answer.items[answer.items.length - 1]?.id;
    this.id = newest ?? (answer.reset ? '' : this.id);
    // An empty page without a cursor means "as before"; items without one come from the bare app.
    if (answer.cursor || newest || answer.reset) this.cursor = answer.cursor;
    if (this.after === before) return false;
    this.save();
    return true;
  }

  /** The server cannot use what we sent: fall back from the cursor to the id, and from the id to nothing. */
  stepBack(): void {
    if (this.cursor) this.cursor = '';
    else this.id = '';
    this.save();
  }

  private save(): void {
    this.saveTo(this.tab);
    this.saveTo(this.browser);
  }

  private saveTo(store: Store): void {
    store.set(ID_KEY, this.id);
    store.set(CURSOR_KEY, this.cursor);
  }
}
