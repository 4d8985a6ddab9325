import type { Item } from './items.js';
import type { Position } from './position.js';
import type { Reply } from './request.js';
import { backoff, INTERVAL, MIN_GAP, nextPoll } from './schedule.js';

/** What the poller needs from around it. */
export interface Port {
  /** Asks for what follows `after` (empty: the newest page). Must not reject, and must end when aborted. */
  ask(after: string, abort: AbortController): Promise<Reply>;
  /** Shows items, oldest first. `replay`: a first or reset page, most of which is no news. `now` as in Reply. */
  deliver(items: readonly Item[], replay: boolean, now: number): void;
  /** Called once when an outage begins. */
  disconnected(): void;
  /** Called once when the user turns out not to be signed in. */
  unauthorized(): void;
}

/** More pages than this in a row are not drained at once, whatever the server says. */
const DRAIN_MAX = 20;

/**
 * The polling loop of one tab.
 *
 *            start            401, 403
 *   stopped <-----> running -----------> refused        paused: the tab is hidden or gone; orthogonal
 *             stop     ^-------------------'            to the state, and no poll starts meanwhile.
 *                        start, resume
 *
 * Everything that happens only ever sets the one timer; while a request is under way, not even that: when it ends it
 * sets the timer itself if the loop may go on. So there is never more than one request.
 */
export class Poller {
  private state: 'stopped' | 'running' | 'refused' = 'stopped';
  private paused = false;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private request: AbortController | undefined;
  /** Set with the abort of a request whose outcome no longer matters. */
  private dropped = false;
  /** By `performance.now`, as it cannot be set back. */
  private earliest = 0;
  /** Requests that failed in a row: the outage, if not 0. */
  private failures = 0;
  private drained = 0;
  private told = false;

  constructor(
    private readonly port: Port,
    private readonly position: Position,
    private readonly interval: number = INTERVAL,
  ) {}

  get running(): boolean {
    return this.state === 'running';
  }

  start(): void {
    if (this.running) return;
    this.state = 'running';
    this.wake();
  }

  /** Ends polling, and drops the request under way: nothing is delivered after this. */
  stop(): void {
    this.state = 'stopped';
    this.drop();
  }

  /** The tab was hidden. An answer under way is still used. */
  pause(): void {
    this.paused = true;
    clearTimeout(this.timer);
  }

  /** The tab goes away, perhaps into the back/forward cache, where a request would only time out. */
  suspend(): void {
    this.paused = true;
    this.drop();
  }

  /** The tab is shown (again). If the user was signed out, they may have signed in elsewhere. */
  resume(): void {
    this.paused = false;
    if (this.state === 'refused') this.state = 'running';
    this.wake();
  }

  /** Polls as soon as may be: at once, unless the last request was only just now or the server asked for a pause. */
  wake(): void {
    if (!this.request) this.arm(this.earliest - performance.now());
  }

  private arm(wait: number): void {
    clearTimeout(this.timer);
    if (this.running && !this.paused) this.timer = setTimeout(() => this.poll(), Math.max(0, wait));
  }

  private drop(): void {
    clearTimeout(this.timer);
    this.dropped = this.request !== undefined;
    this.request?.abort();
  }

  private async poll(): Promise<void> {
    const after = this.position.after;
    this.request = new AbortController();
    this.dropped = false;
    this.earliest = performance.now() + MIN_GAP;
    let wait = this.interval; // unless the page broke something below us
    try {
      const reply = await this.port.ask(after, this.request);
      wait = this.dropped ? this.earliest - performance.now() : this.handle(reply, after);
    } finally {
      this.request = undefined;
      this.arm(wait);
    }
  }

  /** Returns how long to wait before the next request. */
  private handle(reply: Reply, after: string): number {
    if (reply.kind === 'answer') return this.accept(reply, after);
    if (reply.kind === 'unauthorized') return this.refuse();
    if (reply.kind === 'unprocessable') this.position.stepBack();
    return this.fail(reply.kind === 'failed' ? reply.retryAfter : 0);
  }

  private accept(reply: Reply & { kind: 'answer' }, after: string): number {
    const { answer, interval, now, bare } = reply;
    this.failures = 0;
    this.told = false;
    if (bare && this.position.opaque) {
      // Sluice was taken out. The app takes our cursor for none and answers with its newest page: ask again, by id.
      this.position.stepBack();
      return 0;
    }
    // The bare app answers with the newest of what follows an id: behind a full page there may be older items that it
    // never sends. Nothing here can find them; the gateway sends the oldest first and has_more.
    this.port.deliver(answer.items, answer.reset || !after, now);
    const moved = this.position.moveTo(answer); // only now: what was not shown is asked for again
    if (answer.hasMore && moved && ++this.drained < DRAIN_MAX) return 0;
    this.drained = 0;
    return nextPoll(this.interval, interval, Math.random());
  }

  private refuse(): number {
    this.state = 'refused';
    if (!this.told) this.port.unauthorized();
    this.told = true;
    return 0;
  }

  private fail(retryAfter: number): number {
    this.earliest = Math.max(this.earliest, performance.now() + retryAfter);
    if (this.paused) return 0; // a hidden tab's network may be cut; the poll on return will tell
    if (this.failures === 0) this.port.disconnected();
    return backoff(this.failures++, retryAfter, Math.random());
  }
}
