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
export function announce(item: Item, toast: boolean): void {
  const { level, text, context } = item;
  const type = level === 'error' || level === 'success' ? level : 'info';
  if (toast) raise('toast', { type, text, href: linkOf(context) });
  raise('notification:created', item);
  if (context.document_id) raise('document:activity', item);
  if (context.job_id) raise('job:activity', item);
}

export function raise<Name extends keyof Details>(name: Name, detail: Details[Name]): void {
  guard(() => globalThis.window?.dispatchEvent(new CustomEvent(name, { detail })));
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
export function refresh(items: readonly Item[]): void {
  const win: (Window & { htmx?: Htmx }) | undefined = globalThis.window;
  if (!win || !items.length) return;
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
