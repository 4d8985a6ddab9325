// One script tag starts it: <script src="/_sluice/client.js" defer></script>. Options are attributes of the tag:
// data-interval (seconds between polls, at least 1, default 5)
// and data-adaptive ("false": poll no more rarely while nothing happens).

import { createClient, type Client } from './index.js';

declare global {
  interface Window {
    sluice?: Client;
  }
}

/** Not before the page's other deferred scripts have run: an event that nobody listens to yet is lost. */
function whenReady(action: () => void): void {
  if (document.readyState === 'complete') return action();
  let done = false;
  const once = () => {
    if (!done) action();
    done = true;
  };
  window.addEventListener('DOMContentLoaded', once);
  window.addEventListener('load', once);
}

if (!window.sluice?.version) { // or an element of the page has this name
  const { interval, adaptive } = document.currentScript?.dataset ?? {};
  const client = createClient({ interval: Number(interval) * 1000, adaptive: adaptive !== 'false' });
  window.sluice = client;
  whenReady(() => client.start());
}
