import { hashKey } from './hash.js';
import type { Item } from './items.js';
import type { Store } from './storage.js';

// Name, format and size are the old page's, so that a tab can go back and forth between the two.
const HISTORY_KEY = '__toast_history_v1';
const HISTORY_MAX = 200;

const IDS_MAX = 1000;

/** The part of `window` that is shared with the old page: keys of what this tab has shown, oldest first. */
export interface History {
  __notifiedIds?: Set<string>;
}

/** What this tab has shown already: the old page's keys survive a reload, the ids reach further back but do not. */
export class Shown {
  private readonly ids = new Set<string>();

  constructor(private readonly page: History, private readonly store: Store) {}

  /**
   * The items of a page that were not shown yet. It is decided for the whole page at once: were each item judged after
   * the one before was remembered, a page of repeats would push out, one by one, the very keys it is about to need.
   */
  fresh(items: readonly Item[]): Item[] {
    const keys = this.keys();
    const here = new Set<string>();
    const fresh = items.filter((item) => {
      const repeated = here.has(item.id) || this.ids.has(item.id) || keys.has(keyOf(item));
      here.add(item.id);
      return !repeated;
    });
    here.forEach((id) => this.ids.delete(id)); // and back at the end, as the last to be forgotten
    here.forEach((id) => this.ids.add(id));
    trim(this.ids, Math.max(IDS_MAX, here.size));
    return fresh;
  }

  /** Call it after the item was shown: a crash in between repeats it, and does not lose it. */
  remember(item: Item): void {
    const keys = this.keys();
    keys.add(keyOf(item));
    trim(keys, HISTORY_MAX);
    this.store.set(HISTORY_KEY, JSON.stringify([...keys]));
  }

  /** Looked up each time: the old page's script may put its own set there, before or after us. */
  private keys(): Set<string> {
    return this.page.__notifiedIds instanceof Set ? this.page.__notifiedIds : (this.page.__notifiedIds = this.load());
  }

  private load(): Set<string> {
    try {
      const saved: unknown = JSON.parse(this.store.get(HISTORY_KEY));
      return new Set(Array.isArray(saved) ? saved.filter((key) => typeof key === 'string') : []);
    } catch {
      return new Set();
    }
  }
}

function keyOf(item: Item): string {
  return hashKey(`${item.id}:${item.level}:${item.text}`);
}

function trim(set: Set<string>, size: number): void {
  for (const oldest of set) {
    if (set.size <= size) return;
    set.delete(oldest);
  }
}
