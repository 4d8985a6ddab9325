// When to poll next. All times are milliseconds; `random` is a number in [0, 1).

/** The guide's interval: how often a page polls when nobody asks for less. */
export const INTERVAL = 5_000;

/** However often a page is hidden and shown, it starts no request sooner than this after the last. */
export const MIN_GAP = 1_000;

/** A request that takes longer is given up. */
export const TIMEOUT = 10_000;

/** A longer wait than this is not believed; beyond 2^31 ms, timers fire at once. */
const MAX_WAIT = 3_600_000;

const BACKOFF_FIRST = 1_000;
const BACKOFF_MAX = 30_000;
const BACKOFF_MIN = 500;

/** The longer of the page's and the server's interval, ± 10 %: tabs that were opened together drift apart. */
export function nextPoll(own: number, server: number, random: number): number {
  return Math.min(MAX_WAIT, Math.max(own, server)) * (0.9 + 0.2 * random);
}

/**
 * The wait after a failure that `failures` others preceded: full jitter, so that clients cut off together do not come
 * back together. It is added to the server's `Retry-After` for the same reason.
 */
export function backoff(failures: number, retryAfter: number, random: number): number {
  const most = Math.min(BACKOFF_MAX, BACKOFF_FIRST * 2 ** failures);
  return retryAfter + Math.max(BACKOFF_MIN, most * random);
}

/** A header of whole seconds, in milliseconds; 0 when it is absent or anything else. */
export function headerSeconds(value: string | null): number {
  return value !== null && /^\d+$/.test(value) ? Math.min(MAX_WAIT, Number(value) * 1000) : 0;
}
