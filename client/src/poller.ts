import { createElection, type Message, type Transport } from './election.js';
import type { Answer, Item } from './items.js';
import type { Position } from './position.js';
import type { Failure, Reply } from './request.js';
import { INTERVAL, MIN_GAP, now as clock, TIMEOUT, type Schedule } from './schedule.js';
import { createStream } from './stream.js';

/** What a page is to show. */
export interface Delivery {
  /** Oldest first. */
  readonly items: readonly Item[];
  /** A first or reset page, most of which is no news. */
  readonly replay: boolean;
  /** As in Reply. */
  readonly now: number;
  /** The places before the first item and after the last. */
  readonly after: string;
  readonly at: string;
}

/** What the poller needs from around it. */
export interface Port {
  /**
   * Asks for what follows `after` (empty: the newest page). `elapsed`: milliseconds since we last knew all there was.
   * Must not reject, and must end when aborted.
   */
  ask(after: string, elapsed: number | undefined, abort: AbortController): Promise<Reply>;
  /** Whether we shall poll, asked from the stream; false when nobody says. Must not reject. `echo` as in StreamListener. */
  askToPoll(echo?: string): Promise<boolean>;
  /** Opens the stream after a place of the gateway's; undefined where there are no streams. */
  open(after: string): EventSource | undefined;
  /** False when there was nobody to show all of it to: it is to be asked for again. */
  deliver(delivery: Delivery): boolean | void;
  /** Called with the first answer after a start or an outage, before its items are delivered. */
  connected(): void;
  /** Called once when an outage begins. */
  disconnected(): void;
  /** Called once when the user turns out not to be signed in. */
  unauthorized(): void;
  /** Called when `transport` changes. */
  switched(transport: Transport): void;
}

export interface Poller {
  /** False when stopped, and while nobody is signed in. */
  readonly running: boolean;
  /** How this browser gets its items now. */
  readonly transport: Transport;
  start(): void;
  /** Ends polling, and drops the request under way: nothing is delivered after this. */
  stop(): void;
  /** The tab was hidden. An answer under way is still used. */
  pause(): void;
  /** The tab goes away, perhaps into the back/forward cache, where a request would only time out. */
  suspend(): void;
  /** The tab is shown (again). If the user was signed out, they may have signed in elsewhere. */
  resume(): void;
  /** Polls as soon as may be: at once, unless the last request was only just now or the server asked for a pause. */
  wake(): void;
  /** Somebody uses this page: if polls have become rare, one is due. */
  active(): void;
  /** Somebody looks at this page: if it is on the stream, or was refused, it may be time to poll again. */
  look(): void;
}

/** More pages than this in a row are not drained at once, whatever the server says. */
const DRAIN_MAX = 20;

/** The places before a user's first item, the gateway's and the app's. They name no user, so they cannot tell whose the next item is. */
const NOBODYS = ['0', ''];

/**
 * The loop of one tab.
 *
 *            start            401, 403
 *   stopped <-----> running -----------> refused        paused: the tab is hidden or gone; orthogonal
 *             stop     ^-------------------'            to the state, and no poll starts meanwhile.
 *                        start, resume
 *
 * A tab polls once from its own place when it starts or is shown. From then on only the leader polls, or holds the
 * stream where the server says so; the others take what it got if that continues from their own place, and otherwise
 * poll once more.
 *
 * Everything that happens only ever sets the one timer; while a request is under way, not even that: when it ends it
 * sets the timer itself if the loop may go on. So there is never more than one request.
 */
export function createPoller(port: Port, position: Position, schedule: Schedule, name: string): Poller {
  let transport: Transport = 'poll';
  let state: 'stopped' | 'running' | 'refused' = 'stopped';
  let paused = false;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let request: AbortController | undefined;
  /** Set with the abort of a request whose outcome no longer matters. */
  let dropped = false;
  /** No request before this, by the clock that cannot be set back. */
  let earliest = 0;
  let drained = 0;
  /** What the page was told last. */
  let link: 'unknown' | 'up' | 'down' | 'refused' = 'unknown';
  /** Whether our place comes from an answer to us, and so belongs to who is signed in. */
  let synced = false;
  /** The leader is somewhere else, and no request of ours has begun since we heard of it. */
  let behind = false;
  /** When we last knew all there was; by `Date.now`, which goes on while a machine sleeps. */
  let knew: number | undefined;

  const election = createElection(name, { turned: wake, hear });
  const stream = createStream({ received, ask: (echo) => void askToPoll(echo), ended: wake });

  function start(): void {
    if (state === 'running') return;
    state = 'running';
    wake();
  }

  function stop(): void {
    state = 'stopped';
    if (link === 'up') link = 'unknown'; // an outage is the same one when we are started again in it
    retire();
    drop();
  }

  function pause(): void {
    paused = true;
    retire();
  }

  function suspend(): void {
    pause();
    drop();
  }

  function resume(): void {
    paused = false;
    if (state === 'refused') state = 'running';
    schedule.active();
    wake();
  }

  function wake(): void {
    stream.close();
    if (state === 'running' && !paused) election.join();
    if (!request) arm(earliest - clock());
  }

  function active(): void {
    if (schedule.active() && election.leading) wake();
    else if (!election.leading) election.post({ kind: 'active' });
  }

  function look(): void {
    if (state === 'refused') resume();
    else void askToPoll();
  }

  async function askToPoll(echo?: string): Promise<void> {
    if (stream.open && (await port.askToPoll(echo))) wake();
  }

  function arm(wait: number): void {
    clearTimeout(timer);
    if (state === 'running' && !paused && wait < Infinity) timer = setTimeout(poll, Math.max(0, wait));
  }

  /** Stops asking on behalf of the browser. */
  function rest(): void {
    clearTimeout(timer);
    stream.close();
  }

  function retire(): void {
    rest();
    synced = false;
    election.leave();
  }

  function drop(): void {
    dropped = request !== undefined;
    request?.abort();
  }

  async function poll(): Promise<void> {
    const after = position.after;
    request = new AbortController();
    dropped = behind = false;
    earliest = clock() + MIN_GAP;
    let wait = INTERVAL; // unless the page broke something below us
    try {
      const elapsed = knew && Date.now() - knew;
      const reply = await port.ask(after, elapsed, request);
      wait = dropped ? earliest - clock() : handle(reply, after);
    } finally {
      request = undefined;
      arm(wait);
    }
  }

  /** Returns how long to wait before the next request; for ever, when it is not for us to ask. */
  function handle(reply: Reply, after: string): number {
    if (reply.kind === 'answer') return accept(reply, after);
    if (reply.kind === 'refused') return refuse();
    if (reply.kind === 'reset') position.stepBack();
    return fail(reply);
  }

  function accept(reply: Reply & { kind: 'answer' }, after: string): number {
    const { answer, interval, now, bare } = reply;
    reached();
    if (bare && position.opaque) {
      // Sluice was taken out. The app takes our cursor for none and answers with its newest page: ask again, by id.
      position.stepBack();
      return 0;
    }
    // The bare app answers with the newest of what follows an id: behind a full page there may be older items that it
    // never sends. Nothing here can find them; the gateway sends the oldest first and has_more.
    synced = !paused; // before the page may stop us
    const moved = show(answer, now);
    const wait = next(answer.hasMore && moved, reply.transport, interval);
    tell({ kind: 'answer', after, at: position.after, answer, now, transport, next: stream.open ? INTERVAL : wait });
    return wait;
  }

  /** Shows what follows our place, and only then moves on: what was not shown is asked for again. */
  function show(answer: Answer, now: number): boolean {
    const after = position.after;
    if (answer.items.length) schedule.active();
    const all = port.deliver({ items: answer.items, replay: answer.reset || !after, now, after, at: answer.cursor });
    return all !== false && position.moveTo(answer);
  }

  function next(more: boolean, way: string | null, interval: number): number {
    if (more && ++drained < DRAIN_MAX) return 0;
    drained = 0;
    if (!election.leading) return more || behind ? INTERVAL : Infinity;
    turn(way === 'sse' && openStream() ? 'sse' : 'poll');
    return stream.open ? Infinity : schedule.next(interval);
  }

  function openStream(): boolean {
    const source = position.opaque && stream.wanted && port.open(position.after);
    if (source) stream.use(source);
    return stream.open;
  }

  function turn(to: Transport): void {
    if (to === transport) return;
    transport = to;
    port.switched(to);
  }

  function received(item: Item, id: string): void {
    const after = position.after;
    const now = Date.now();
    const answer = { items: [item], cursor: id || after, hasMore: false, reset: false };
    reached();
    show(answer, now);
    tell({ kind: 'answer', after, at: position.after, answer, now, transport, next: INTERVAL });
  }

  function reached(): void {
    schedule.succeeded();
    knew = Date.now();
    tellPage('up', port.connected);
  }

  function refuse(): number {
    tell({ kind: 'refused', next: 0 });
    state = 'refused';
    rest();
    election.withdraw();
    tellPage('refused', port.unauthorized);
    return Infinity;
  }

  function fail({ retryAfter, transport }: Failure): number {
    earliest = Math.max(earliest, clock() + retryAfter);
    if (paused) return Infinity; // a hidden tab's network may be cut; the poll on return will tell
    tellPage('down', port.disconnected);
    const wait = schedule.backoff(retryAfter);
    tell({ kind: 'failed', next: wait });
    // Whoever was taken back to the stream goes there although polls fail: that may be why.
    return transport === 'sse' && election.leading && openStream() ? (turn(transport), Infinity) : wait;
  }

  /** Once; and the page may stop us in it. */
  function tellPage(now: typeof link, tell: () => void): void {
    const before = link;
    link = now;
    if (before !== now) tell();
  }

  /** Tells the other tabs, if it is for us to tell. */
  function tell(message: Message): void {
    if (election.leading) election.post(message);
  }

  function hear(message: Message): void {
    if (message.kind === 'ping') return tell({ kind: 'alive', next: TIMEOUT });
    if (message.kind === 'active' && election.leading) return active();
    if (election.leading) return;
    if (message.kind === 'failed') tellPage('down', port.disconnected);
    if (message.kind === 'refused') refuse();
    if (message.kind === 'answer') follow(message);
  }

  /** Takes over what the leader got, if it continues from where we are; otherwise a poll of our own does. */
  function follow(message: Message & { kind: 'answer' }): void {
    if (state === 'refused') return resume(); // somebody has signed in
    turn(message.transport);
    const after = position.after;
    if (synced && after === message.after && !NOBODYS.includes(after)) {
      reached();
      show(message.answer, message.now);
    } else if ((behind = after !== message.at)) wake();
    else reached();
  }

  return {
    get running() {
      return state === 'running';
    },
    get transport() {
      return transport;
    },
    start, stop, pause, suspend, resume, wake, active, look,
  };
}
