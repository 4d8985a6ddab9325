import { parseEvent, type Item } from './items.js';
import { now, spread } from './schedule.js';

export interface StreamListener {
  /** An item, and the id the stream stands at: the place after the item, unless that is a repeat from behind it. */
  received(item: Item, id: string): void;
  /** It is time to ask whether to poll again; the gateway wants to hear `echo` in it, to know that we hear the stream. */
  ask(echo?: string): void;
  /** It is over, or dead; a poll finds out why. */
  ended(): void;
}

/** How often to ask. */
const ASK_EVERY = 60_000;
/** A server that has no stream for us, as when it was retired, is not asked for it again so soon. */
const REFUSED_FOR = 60_000;
/** No bounded stream lasts longer than five minutes: one that is open for longer is dead, and nobody has noticed. */
const DEAD_AFTER = 330_000;

export interface Stream {
  readonly open: boolean;
  /** Whether it is worth opening. */
  readonly wanted: boolean;
  use(source: EventSource): void;
  close(): void;
}

/**
 * The gateway's bridged stream, in place of polls. It ends every now and then by design, and the browser reopens it
 * from the last id: only two failures in a row mean anything.
 */
export function createStream({ received, ask, ended }: StreamListener): Stream {
  let source: EventSource | undefined;
  let failing = false;
  let opened = 0;
  let refused = -Infinity;
  let timer: ReturnType<typeof setTimeout> | undefined;

  function use(next: EventSource): void {
    source = next;
    failing = false;
    opened = now();
    arm();
    next.onopen = () => {
      if (failing) ask();
      failing = false;
      opened = now();
    };
    next.onmessage = ({ data, lastEventId }) => {
      const item = parseEvent(data);
      if (item) received(item, lastEventId);
      else ask(data);
    };
    next.onerror = () => {
      const closed = next.readyState === 2;
      if (closed) refused = now();
      if (closed || failing) ended();
      failing = true;
    };
  }

  function close(): void {
    clearTimeout(timer);
    source?.close();
    source = undefined;
  }

  function arm(): void {
    timer = setTimeout(() => {
      arm();
      if (now() - opened > DEAD_AFTER) ended();
      else ask();
    }, spread(ASK_EVERY));
  }

  return {
    get open() {
      return source !== undefined;
    },
    get wanted() {
      return now() - refused > REFUSED_FOR;
    },
    use, close,
  };
}
