// What an answer and its items are. Everything here takes data from a network and must survive any of it.

/** One notification, as listeners get it: `context` is always an object, `level` and `text` are always strings. */
export interface Item {
  readonly id: string;
  readonly level: string;
  readonly text: string;
  readonly context: Context;
  readonly created_at?: unknown;
  readonly seen_at?: unknown;
  readonly dismissed_at?: unknown;
  readonly [field: string]: unknown;
}

export type Context = Readonly<Record<string, unknown>>;

export interface Answer {
  /** Oldest first, the order in which a page wants them. */
  readonly items: readonly Item[];
  /** What to send as `after_id` next; empty when the answer has none. */
  readonly cursor: string;
  readonly hasMore: boolean;
  /** The server did not know our cursor: this is the newest page, not what follows it. */
  readonly reset: boolean;
}

/** Reads the body of an answer; leaves out malformed items and throws when there is no list of them at all. */
export function parseAnswer(body: unknown): Answer {
  const { notifications, cursor, has_more, reset } = asObject(body);
  if (!Array.isArray(notifications)) throw new TypeError('no notifications');
  const items = notifications.map(parseItem).filter((item): item is Item => !!item);
  return { items: items.reverse(), cursor: asString(cursor), hasMore: has_more === true, reset: reset === true };
}

/** The item of one event of the legacy stream; null for events about anything else. */
export function parseEvent(data: string): Item | null {
  const { type, data: item } = asObject(parseJSON(data));
  return type === 'notification.created' ? parseItem(item) : null;
}

function parseItem(raw: unknown): Item | null {
  const fields = asObject(raw);
  const id = asString(fields.id);
  if (!id) return null;
  return { ...fields, id, level: asString(fields.level), text: asString(fields.text), context: parseContext(fields.context) };
}

/** The app itself sends `context` as a JSON string, the gateway and the stream as an object. */
function parseContext(value: unknown): Context {
  return asObject(typeof value === 'string' ? parseJSON(value) : value);
}

/** Undefined when it is none. */
export function parseJSON(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** An id out of a context: a non-empty string or a number, as a string; otherwise empty. */
export function contextId(value: unknown): string {
  return typeof value === 'number' ? String(value) : asString(value);
}

/** Where a toast leads: the context's own link, else its document, else its job, else nowhere. */
export function linkOf(context: Context): string | null {
  if (context.href) return isSafeLink(context.href) ? context.href : null;
  return pathTo('documents', context.document_id) ?? pathTo('jobs', context.job_id);
}

/**
 * Only http(s), or a path of this origin. Browsers read `//` and `/\` as the start of another host, and drop tabs and
 * line ends before they look, so control characters are refused as well.
 */
function isSafeLink(href: unknown): href is string {
  return typeof href === 'string' && /^(https?:\/\/|\/(?![/\\]))[^\x00-\x1f\x7f]*$/i.test(href);
}

function pathTo(kind: string, value: unknown): string | null {
  const id = contextId(value);
  if (!id) return null;
  try {
    return `/dashboard/${kind}/${encodeURIComponent(id)}`;
  } catch {
    return null; // half of a surrogate pair
  }
}

const NEWS_MS = 120_000;

/**
 * Whether an item of a first or reset page is worth a toast: a new tab should not replay the day. An item without a
 * readable time counts as old. `now` is in milliseconds since 1970.
 */
export function isNews(item: Item, now: number): boolean {
  return !item.seen_at && !item.dismissed_at && now - createdAt(item) <= NEWS_MS;
}

/** Milliseconds since 1970, or NaN. The app writes `YYYY-MM-DD HH:MM:SS` and means UTC; the gateway writes RFC 3339. */
function createdAt(item: Item): number {
  return Date.parse(asString(item.created_at).replace(/^([\d-]{10}) ([\d:]{8})$/, '$1T$2Z'));
}

function asObject(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {};
}

function asString(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
