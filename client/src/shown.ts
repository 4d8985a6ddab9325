import { hashKey } from './hash.js';
import { parseJSON, type Item } from './items.js';
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
export interface Shown {
  /**
   * The items of a page that were not shown yet. It is decided for the whole page at once: were each item judged after
   * the one before was remembered, a page of repeats would push out, one by one, the very keys it is about to need.
   */
  fresh(items: readonly Item[]): Item[];
  /** Call it after the item was shown: a crash in between repeats it, and does not lose it. */
  remember(item: Item): void;
}

export function createShown(page: History, store: Store): Shown {
  /** Looked up each time: the old page's script may put its own set there, before or after us. */
  function keys(): Set<string> {
    return page.__notifiedIds instanceof Set ? page.__notifiedIds : (page.__notifiedIds = load());
  }

  function load(): Set<string> {
    const saved = parseJSON(store.get(HISTORY_KEY));
    return new Set(Array.isArray(saved) ? saved.filter((key) => typeof key === 'string') : []);
  }

  const isRepeat = createIds();
  return {
    fresh(items) {
      const known = keys();
      const repeated = isRepeat(items);
      return items.filter((item, i) => !repeated[i] && !known.has(keyOf(item)));
    },
    remember(item) {
      const known = keys();
      known.add(keyOf(item));
      trim(known, HISTORY_MAX);
      store.set(HISTORY_KEY, JSON.stringify([...known]));
    },
  };
}

/** Tells of each item of a page whether its id was there before, in this page or an earlier one. */
export function createIds(): (items: readonly Item[]) => boolean[] {
  const ids = new Set<string>();
  return (items) => {
    const repeated = items.map(({ id }) => {
      const known = ids.delete(id);
      ids.add(id); // back at the end, as the last to be forgotten
      return known;
    });
    trim(ids, Math.max(IDS_MAX, items.length));
    return repeated;
  };
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
