// One open page, and what can be seen of it from outside.

import { expect } from '@playwright/test';

const OUTAGE = 'Live updates disconnected, retrying...';

export class Tab {
  /** Status codes of the polls that were answered. */
  polls = [];
  /** How many streams were asked for. */
  streams = 0;
  /** Errors of the page's scripts that nobody caught. */
  faults = [];

  constructor(page) {
    this.page = page;
    page.on('request', (request) => { if (pathOf(request) === '/api/stream') this.streams++; });
    page.on('response', (response) => { if (pathOf(response) === '/api/notifications') this.polls.push(response.status()); });
    page.on('pageerror', (error) => this.faults.push(String(error)));
    page.on('console', (message) => { if (message.text().startsWith('sluice:')) this.faults.push(message.text()); });
  }

  /** Keeps account of what happens in the pages that the tab is going to show. */
  async record(interval) {
    await this.page.addInitScript(record, interval);
  }

  /** What has happened in the page since it was loaded: all details of one kind, in order. */
  async seen(kind) {
    return this.page.evaluate((kind) => window.seen.filter((one) => one.kind === kind).map((one) => one.detail), kind);
  }

  async outages() {
    const toasts = await this.seen('visible toast');
    return toasts.filter(({ text }) => text === OUTAGE).length;
  }

  /** Waits until the page has shown exactly these notifications since it was loaded, each once and with one toast. */
  async shows(...texts) {
    const sorted = (list) => list.map(({ text }) => text).filter((text) => text !== OUTAGE).sort();
    await expect.poll(async () => ({
      created: sorted(await this.seen('notification:created')),
      toasts: sorted(await this.seen('visible toast')),
    })).toEqual({ created: texts.toSorted(), toasts: texts.toSorted() });
  }

  /**
   * Hides the tab behind a new one in its window. The new one has no opener: Playwright stops a page for a moment when
   * it opens, and one that knows this page would stop it too, just when it should hear that it is hidden.
   */
  async hide() {
    const opened = this.page.context().waitForEvent('page');
    await this.page.evaluate(() => { window.open('about:blank', '_blank', 'noopener'); });
    await opened;
    await expect.poll(async () => (await this.seen('visibility')).at(-1)).toBe('hidden');
  }

  /** How the client says it gets its items. */
  async transport() {
    return this.page.evaluate(() => window.sluice.transport);
  }

  /** Freezes the tab, which has to be hidden, or lets it go on. */
  async freeze(state = 'frozen') {
    const devtools = await this.page.context().newCDPSession(this.page);
    await devtools.send('Page.enable');
    await devtools.send('Page.setWebLifecycleState', { state });
    await devtools.detach();
  }

  /** Stops the tab's scripts and timers where they stand. Nothing can be asked of it until they go on. */
  async halt() {
    this.debugger = await this.page.context().newCDPSession(this.page);
    await this.debugger.send('Debugger.enable');
    await this.debugger.send('Debugger.pause');
  }

  async goOn() {
    await this.debugger.detach(); // nobody is there to be paused for
  }

  async show() {
    await this.page.bringToFront();
  }

  /** Waits until the page has been answered n more polls that began after now. */
  async polled(n) {
    const enough = this.polls.length + n + 1; // one may be under way
    await expect.poll(() => this.polls.length).toBeGreaterThanOrEqual(enough);
  }
}

function pathOf(message) {
  return new URL(message.url()).pathname;
}

/** Runs in the page, before its own scripts. */
function record(interval) {
  window.seen = [];
  const note = (kind, detail) => window.seen.push({ kind, detail });
  for (const kind of ['toast', 'notification:created', 'document:activity', 'job:activity', 'notification:unauthorized']) {
    window.addEventListener(kind, (event) => note(kind, event.detail));
  }
  document.addEventListener('visibilitychange', () => note('visibility', document.visibilityState));
  // The triggers for htmx bubble up from the element that is to refresh itself.
  for (const kind of ['refreshDocument', 'refreshJob', 'refreshDocuments', 'refreshJobs']) {
    window.addEventListener(kind, (event) => note(kind, { ...event.target.dataset }));
  }
  const noteToast = (toast) => {
    const [line] = toast.children;
    if (toast.checkVisibility()) note('visible toast', { text: line.textContent, href: line.getAttribute('href') });
  };
  new MutationObserver((changes) => {
    for (const node of changes.flatMap((change) => [...change.addedNodes])) {
      if (node.matches?.('[data-toast]')) noteToast(node);
      // In time: deferred scripts run once the whole page was read.
      if (interval && node.matches?.('script[src="/_sluice/client.js"]')) node.dataset.interval = interval;
    }
  }).observe(document, { childList: true, subtree: true });
}
