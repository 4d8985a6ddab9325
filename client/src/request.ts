import { parseAnswer, type Answer } from './items.js';
import { headerSeconds, TIMEOUT } from './schedule.js';

/** How one poll ended. */
export type Reply =
  | {
      readonly kind: 'answer';
      readonly answer: Answer;
      /** What the server asks for with `X-Poll-Interval`, in milliseconds, or 0. */
      readonly interval: number;
      /** The server's clock, in milliseconds since 1970: it wrote `created_at`, and this machine's may be wrong. */
      readonly now: number;
      /** Which way the server wants us to go: `sse`, or by polls. */
      readonly transport: string | null;
      /** Nothing in the answer is Sluice's: it comes from the app itself. */
      readonly bare: boolean;
    }
  /** 401 or 403: nobody is signed in here. */
  | { readonly kind: 'refused' }
  /** 422: the cursor cannot be used. */
  | { readonly kind: 'reset' } & Failure
  /** Anything else, a time-out and nonsense included. */
  | { readonly kind: 'failed' } & Failure;

export interface Failure {
  readonly retryAfter: number;
  /** Which way to go nevertheless, if the server says so. */
  readonly transport?: string | null;
}

export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

/** How to ask: the page's `fetch`, and what to say of us. */
export interface Asker {
  readonly fetch: Fetch;
  /** The value of `Sluice-Client`. */
  readonly client: string;
}

/**
 * Polls once, within TIMEOUT. `elapsed`: milliseconds since the last success, told to the server so that it can tell
 * what is late from what had to wait for us. Never rejects; aborting `abort` from outside makes it end as failed.
 */
export async function poll(asker: Asker, url: string, elapsed: number | undefined, abort: AbortController): Promise<Reply> {
  const since: HeadersInit = elapsed === undefined ? {} : { 'Sluice-Elapsed': `${Math.round(elapsed / 1000)}` };
  return (await get(asker, url, since, abort, readReply)) ?? { kind: 'failed', retryAfter: 0 };
}

/** Whether the gateway at `url` says anything but to stay on the stream. Never rejects. */
export async function saysPoll(asker: Asker, url: string): Promise<boolean> {
  const config = await get(asker, url, {}, new AbortController(), (response) => response.json());
  return !!config && config.transport !== 'sse';
}

/** Undefined when there was no answer in time, or none that can be read. */
async function get<T>(
  { fetch, client }: Asker, url: string, more: HeadersInit, abort: AbortController, read: (response: Response) => Promise<T>,
): Promise<T | undefined> {
  const { signal } = abort;
  const timer = setTimeout(() => abort.abort(), TIMEOUT);
  try {
    const headers = { Accept: 'application/json', 'Sluice-Client': client, ...more };
    const answer = fetch(url, { credentials: 'include', headers, signal }).then(read);
    // A page that wraps fetch may have lost the signal on the way.
    return await Promise.race([answer, new Promise<never>((_, reject) => (signal.onabort = reject))]);
  } catch {
    return undefined;
  } finally {
    clearTimeout(timer);
  }
}

async function readReply(response: Response): Promise<Reply> {
  const { status, headers } = response;
  const transport = headers.get('Sluice-Transport');
  if (status === 401 || status === 403) return { kind: 'refused' };
  if (!response.ok) return { kind: status === 422 ? 'reset' : 'failed', retryAfter: headerSeconds(headers.get('Retry-After')), transport };
  const answer = parseAnswer(await response.json());
  return {
    kind: 'answer',
    answer,
    interval: headerSeconds(headers.get('X-Poll-Interval')),
    transport,
    now: Date.parse(headers.get('Date') ?? '') || Date.now(),
    bare: !answer.cursor && !headers.has('X-Poll-Interval'),
  };
}
