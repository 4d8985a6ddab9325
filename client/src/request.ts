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
      /** Nothing in the answer is Sluice's: it comes from the app itself. */
      readonly bare: boolean;
    }
  /** 401 or 403: nobody is signed in here. */
  | { readonly kind: 'unauthorized' }
  /** 422: the cursor cannot be used. */
  | { readonly kind: 'unprocessable' }
  /** Anything else, a time-out and nonsense included. */
  | { readonly kind: 'failed'; readonly retryAfter: number };

export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

/** Polls once, within TIMEOUT. Never rejects; aborting `abort` from outside makes it end as failed. */
export async function request(fetch: Fetch, url: string, version: string, abort: AbortController): Promise<Reply> {
  const timer = setTimeout(() => abort.abort(), TIMEOUT);
  try {
    return await readReply(
      await fetch(url, {
        credentials: 'include',
        headers: { Accept: 'application/json', 'Sluice-Client': version },
        signal: abort.signal,
      }),
    );
  } catch {
    return { kind: 'failed', retryAfter: 0 };
  } finally {
    clearTimeout(timer);
  }
}

async function readReply(response: Response): Promise<Reply> {
  const { status, headers } = response;
  if (status === 401 || status === 403) return { kind: 'unauthorized' };
  if (status === 422) return { kind: 'unprocessable' };
  if (!response.ok) return { kind: 'failed', retryAfter: headerSeconds(headers.get('Retry-After')) };
  const answer = parseAnswer(await response.json());
  return {
    kind: 'answer',
    answer,
    interval: headerSeconds(headers.get('X-Poll-Interval')),
    now: Date.parse(headers.get('Date') ?? '') || Date.now(),
    bare: !answer.cursor && !headers.has('X-Poll-Interval'),
  };
}
