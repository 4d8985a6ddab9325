import type { Poller } from './poller.js';
import { now } from './schedule.js';

// What happens to a page. No unload and no beforeunload: they would keep it out of the back/forward cache.

/** How often to see whether the machine slept, and by how much a timer must be late for that. Milliseconds. */
const TICK = 5_000;
const ASLEEP = 10_000;
/** Input is told no more often than this. */
const INPUT_EVERY = 10_000;

/** Tells the poller what happens to its page, until `end`. */
export function follow(poller: Poller, end: AbortSignal): void {
  // `focus`, and whatever a page names `freeze` or `resume`, also pass by here on their way to one of its elements.
  const on = (target: EventTarget, names: string[], listener: (event: Event) => void, passing?: boolean) =>
    names.forEach((name) => target.addEventListener(name, (event) => {
      if (passing || event.eventPhase === 2) listener(event);
    }, { signal: end, capture: true }));
  const look = () => (document.hidden ? poller.pause() : poller.resume());

  on(document, ['visibilitychange', 'resume'], look);
  on(document, ['freeze'], poller.suspend);
  on(window, ['pagehide'], poller.suspend);
  on(window, ['pageshow'], (event) => (event as PageTransitionEvent).persisted && look());
  // Going offline is looked into as well: the user learns of it at once, and browsers are wrong about it at times.
  on(window, ['online', 'offline'], poller.wake);
  on(window, ['focus'], poller.look);
  on(window, ['pointerdown', 'keydown'], seldom(poller.active), true);
  watchSleep(poller.wake, end);
  look(); // it may have been hidden or shown while nobody was following
}

function seldom(action: () => void): () => void {
  let last = -Infinity;
  return () => {
    if (now() - last < INPUT_EVERY) return;
    last = now();
    action();
  };
}

/** Connections that were open when a machine went to sleep are dead when it wakes, and timers may stand where they stood. */
function watchSleep(woken: () => void, end: AbortSignal): void {
  let last = Date.now();
  const timer = setInterval(() => {
    const late = Date.now() - last > TICK + ASLEEP;
    last = Date.now();
    if (late) woken();
  }, TICK);
  end.onabort = () => clearInterval(timer);
}
