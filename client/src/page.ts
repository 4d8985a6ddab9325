import type { Transport } from './election.js';
import { contextId, linkOf, type Item } from './items.js';

// What the rest of the page sees: the guide's events on `window`, and its triggers for htmx.

interface Htmx {
  trigger(element: Element, event: string): void;
}

export type { Transport };

/** The detail of a `toast` event. */
export interface Toast {
  readonly type: 'error' | 'success' | 'info';
  readonly text: string;
  /** A path of this origin or an http(s) address. */
  readonly href?: string | null;
}

/** The detail of each event on `window`, by its name. */
interface Details {
  toast: Toast;
  'notification:created': Item;
  'document:activity': Item;
  'job:activity': Item;
  'notification:unauthorized': null;
  'sluice:transport': { readonly transport: Transport };
}

declare global {
  interface WindowEventMap extends EventsOf<Details> {}
}

type EventsOf<D> = { [name in keyof D]: CustomEvent<D[name]> };

/** Raises the events of one item. Listeners that throw are reported by the browser and stop nothing. */
export function announce(win: Window | undefined, item: Item, toast: boolean): void {
  const { level, text, context } = item;
  const type = level === 'error' || level === 'success' ? level : 'info';
  if (toast) raise(win, 'toast', { type, text, href: linkOf(context) });
  raise(win, 'notification:created', item);
  if (context.document_id) raise(win, 'document:activity', item);
  if (context.job_id) raise(win, 'job:activity', item);
}

export function announceOutage(win: Window | undefined): void {
  raise(win, 'toast', { type: 'error', text: 'Live updates disconnected, retrying...' });
}

export function announceUnauthorized(win: Window | undefined): void {
  raise(win, 'notification:unauthorized', null);
}

export function announceTransport(win: Window | undefined, transport: Transport): void {
  raise(win, 'sluice:transport', { transport });
}

function raise<Name extends keyof Details>(win: Window | undefined, name: Name, detail: Details[Name]): void {
  guard(() => win?.dispatchEvent(new CustomEvent(name, { detail })));
}

/** Whatever a page has done to its window, it costs one event at most. */
export function guard(action: () => unknown): void {
  try {
    action();
  } catch (error) {
    console.error('sluice:', error);
  }
}

/**
 * Has htmx refresh what the items are about: each element once for all of them, since fifty items in one answer are no
 * reason to load a list fifty times.
 */
export function refresh(win: Window & { htmx?: Htmx }, items: readonly Item[]): void {
  if (!items.length) return;
  const trigger = (event: string, selector: string) => {
    const element = win.document.querySelector(selector);
    if (element) win.htmx?.trigger(element, event); // htmx throws when there is none
  };
  const details = (event: string, kind: string) =>
    new Set(items.map(({ context }) => contextId(context[`${kind}_id`]))).forEach((id) => {
      if (id) trigger(event, `[data-${kind}-detail][data-${kind}-id="${CSS.escape(id)}"]`);
    });
  details('refreshDocument', 'document');
  details('refreshJob', 'job');
  trigger('refreshDocuments', '[data-documents-page]');
  trigger('refreshJobs', '[data-jobs-page]');
}
