// When to poll next. All times are milliseconds.

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

/** When nothing has happened for so long, polls become rarer, bit by bit. */
const IDLE_AFTER = 60_000;
const IDLE_GROWTH = 1.25;
const IDLE_MOST = 4;

/** The waits of one tab, each of which depends on what went before. */
export interface Schedule {
  /** There was news, or somebody uses the page: no reason to wait longer. Reports whether polls had become rarer. */
  active(): boolean;
  /** A request was answered: a failure after it is the first. */
  succeeded(): void;
  /**
   * The wait after a success: the longer of the page's and the server's interval, ± 10 % so that tabs drift apart.
   * After the first it is anything up to that, so that pages loaded together are spread at once.
   */
  next(server: number): number;
  /**
   * The wait after a failure: full jitter, so that clients cut off together do not come back together. It is added to
   * the server's `Retry-After` for the same reason.
   */
  backoff(retryAfter: number): number;
}

/** `own` is the page's interval; the guide's where it makes no sense. Unless `adaptive`, it is never stretched. */
export function createSchedule(own: number, adaptive: boolean): Schedule {
  let first = true;
  let failures = 0;
  let factor = 1;
  let busy = now();
  return {
    active() {
      const rare = factor > 1;
      factor = 1;
      busy = now();
      return rare;
    },
    succeeded() {
      failures = 0;
    },
    next(server) {
      const interval = Math.min(MAX_WAIT, Math.max(own >= MIN_GAP ? own : INTERVAL, server));
      if (first) {
        first = false;
        return Math.max(MIN_GAP, interval * Math.random());
      }
      if (adaptive && now() - busy > IDLE_AFTER) factor = Math.min(IDLE_MOST, factor * IDLE_GROWTH);
      return spread(interval * factor);
    },
    backoff(retryAfter) {
      const most = Math.min(BACKOFF_MAX, BACKOFF_FIRST * 2 ** failures++);
      return retryAfter + Math.max(BACKOFF_MIN, most * Math.random());
    },
  };
}

/** A clock that cannot be set back. It may stand still while a machine sleeps. */
export function now(): number {
  return performance.now();
}

/** ± 10 %. */
export function spread(wait: number): number {
  return wait * (0.9 + 0.2 * Math.random());
}

/** A header of whole seconds, in milliseconds; 0 when it is absent or anything else. */
export function headerSeconds(value: string | null): number {
  return /^\d+$/.test(value ?? '') ? Math.min(MAX_WAIT, Number(value) * 1000) : 0;
}
