/** A Storage that never throws: blocked or full, the page goes on with what it has in memory. */
export interface Store {
  get(key: string): string;
  /** An empty value removes the key. */
  set(key: string, value: string): void;
}

/** Takes a function, since where storage is blocked even naming `window.localStorage` throws. */
export function safeStore(open: () => Storage): Store {
  return {
    get: (key) => attempt(() => open().getItem(key)) ?? '',
    set: (key, value) => attempt(() => (value ? open().setItem(key, value) : open().removeItem(key))),
  };
}

function attempt<T>(action: () => T): T | undefined {
  try {
    return action();
  } catch {
    return undefined;
  }
}
