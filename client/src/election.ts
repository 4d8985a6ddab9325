import { INTERVAL, TIMEOUT } from './schedule.js';
import type { Answer } from './items.js';

// One tab of a browser asks the server for all of them: the leader, which holds a Web Lock and feeds the others over a
// BroadcastChannel. Only tabs that are visible take part, since a hidden one's timers are slowed down.
//
// A tab that goes away lets go of the lock, and the browser hands it on. A leader that hangs does not: when nothing was
// heard of it for too long, a tab asks it to speak up, and takes the lock from it if it stays silent. Where two tabs take
// it from each other, the later one has it. Where one of the two APIs is missing, every tab leads itself.

export type Transport = 'poll' | 'sse';

/** What tabs tell each other. `next`: the leader's next message comes within so many milliseconds. */
export type Message =
  | { readonly kind: 'alive'; readonly next: number }
  /** What followed `after`; the leader now stands at `at`. `now` as in Reply. */
  | {
      readonly kind: 'answer';
      readonly after: string;
      readonly at: string;
      readonly answer: Answer;
      readonly now: number;
      readonly transport: Transport;
      readonly next: number;
    }
  | { readonly kind: 'failed'; readonly next: number }
  | { readonly kind: 'refused'; readonly next: number }
  /** To the leader: are you there? */
  | { readonly kind: 'ping' }
  /** To the leader: somebody is using this tab. */
  | { readonly kind: 'active' };

export interface Member {
  /** This tab leads from now on; or another has taken the lead from it, and this one may have missed what that one said. */
  turned(): void;
  hear(message: Message): void;
}

/** A leader may be late by so much, and by up to as much again: whoever looks first is the one to act. */
const SILENCE = 2_000;
/** How long a leader that was asked has for its answer; longer than timers that were held up together need to run. */
const LOOK = 1_000;

export interface Election {
  readonly leading: boolean;
  /** Asks for the lead, and listens to whoever has it meanwhile. */
  join(): void;
  /** Lets go of the lead, or of the wish for it, and goes on listening. */
  withdraw(): void;
  /** Withdraws and stops listening: an open channel would keep the page out of the back/forward cache. */
  leave(): void;
  /** Tells the others. */
  post(message: Message): void;
}

/** The name is that of lock and channel; it changes with the form of Message, or tabs would talk past each other. */
export function createElection(name: string, member: Member): Election {
  let channel: BroadcastChannel | undefined;
  let release: (() => void) | undefined;
  /** Of the wish for the lead; there as long as we take part. */
  let wish: AbortController | undefined;
  /** Changes with each request for the lock, so that what comes of an earlier one is known to be void. */
  let turn = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;

  function join(): void {
    if (release || wish) return;
    try {
      navigator.locks.request; // it has to be there
      channel ??= new BroadcastChannel(name); // it may be refused where storage is blocked
    } catch {
      return lead(() => {});
    }
    channel.onmessage = ({ data }) => receive(data);
    queue();
    post({ kind: 'ping' });
  }

  function withdraw(): void {
    turn++;
    clearTimeout(timer);
    wish?.abort();
    release?.();
    wish = release = undefined;
  }

  function leave(): void {
    withdraw();
    channel?.close();
    channel = undefined;
  }

  function post(message: Message): void {
    channel?.postMessage(message);
  }

  function queue(): void {
    wish = new AbortController();
    request({ signal: wish.signal });
    expect(INTERVAL);
  }

  function request(options: LockOptions): void {
    const mine = ++turn;
    const hold = () => (mine === turn ? new Promise<void>(lead) : undefined);
    navigator.locks.request(name, options, hold).catch(() => mine === turn && lost());
  }

  function lead(letGo: () => void): void {
    clearTimeout(timer);
    release = letGo;
    post({ kind: 'alive', next: TIMEOUT });
    member.turned();
  }

  /** Somebody took the lock; or, if we did not have it, there are no locks here, as in a sandboxed frame. */
  function lost(): void {
    if (!release) return lead(() => {});
    release = undefined;
    queue();
    member.turned();
  }

  function receive(message: Message): void {
    if (!release && 'next' in message) expect(message.next);
    member.hear(message);
  }

  function expect(next: number): void {
    clearTimeout(timer);
    if (wish) timer = setTimeout(look, next + SILENCE * (1 + Math.random()));
  }

  /** It may have been this tab that slept, or both: ask first. */
  function look(): void {
    post({ kind: 'ping' });
    timer = setTimeout(steal, LOOK * (1 + Math.random()));
  }

  function steal(): void {
    wish?.abort();
    request({ steal: true });
  }

  return {
    get leading() {
      return release !== undefined;
    },
    join, withdraw, leave, post,
  };
}
