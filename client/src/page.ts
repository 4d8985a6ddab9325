import { contextId, linkOf, type Item } from './items.js';

// What the rest of the page sees: the guide's events on `window`, and its triggers for htmx.

interface Htmx {
  trigger(element: Element, event: string): void;
}

/** Raises the events of one item. Listeners that throw are reported by the browser and stop nothing. */
export function announce(win: Window, item: Item, toast: boolean): void {
  const { level, text, context } = item;
  const type = level === 'error' || level === 'success' ? level : 'info';
  if (toast) raise(win, 'toast', { type, text, href: linkOf(context) });
  raise(win, 'notification:created', item);
  if (context.document_id) raise(win, 'document:activity', item);
  if (context.job_id) raise(win, 'job:activity', item);
}

export function announceOutage(win: Window): void {
  raise(win, 'toast', { type: 'error', text: 'Live updates disconnected, retrying...' });
}

export function announceUnauthorized(win: Window): void {
  raise(win, 'notification:unauthorized', null);
}

function raise(win: Window, name: string, detail: unknown): void {
  win.dispatchEvent(new CustomEvent(name, { detail }));
}

/**
 * Has htmx refresh what the items are about: each element once for all of them, since fifty items in one answer are no
 * reason to load a list fifty times.
 */
export function refresh(win: Window & { htmx?: Htmx }, items: readonly Item[]): void {
  if (!items.length) return;
  const details = (kind: string, key: string) =>
    [...new Set(items.map((item) => contextId(item.context[key])))]
      .filter((id) => id)
      .map((id) => `[data-${kind}-detail][data-${kind}-id="${CSS.escape(id)}"]`);
  const trigger = (event: string, selectors: string[]) => selectors.forEach((selector) => {
    const element = win.document.querySelector(selector);
    if (element) win.htmx?.trigger(element, event); // htmx throws when there is none
  });
  trigger('refreshDocument', details('document', 'document_id'));
  trigger('refreshJob', details('job', 'job_id'));
  trigger('refreshDocuments', ['[data-documents-page]']);
  trigger('refreshJobs', ['[data-jobs-page]']);
}
