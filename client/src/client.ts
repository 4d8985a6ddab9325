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
function whenReady(action?: () => void): void {
  const once = () => {
    action?.();
    action = undefined;
  };
  if (document.readyState === 'complete') once();
  ['DOMContentLoaded', 'load'].forEach((name) => window.addEventListener(name, once));
}

if (!window.sluice?.version) { // or an element of the page has this name
  const { interval, adaptive } = document.currentScript?.dataset ?? {};
  const client = createClient({ interval: Number(interval) * 1000, adaptive: adaptive !== 'false' });
  window.sluice = client;
  whenReady(() => client.start());
}
