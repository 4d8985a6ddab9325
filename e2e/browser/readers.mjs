// Starts SSE clients that others have written, in Node or in a page. `seen` tells of the begin of each stream, of its end
// or of the failure to get one, and of the events. `headers` are for Node, where nothing else adds the cookies.

export async function native({ url, seen }) {
  return listen(new EventSource(url), seen);
}

export async function eventsource({ url, seen, headers }) {
  const { EventSource } = await import('eventsource');
  return listen(new EventSource(url, { fetch: withHeaders(headers) }), seen);
}

export async function polyfill({ url, seen, headers }) {
  const loaded = await import('event-source-polyfill');
  const { EventSourcePolyfill } = loaded.default ?? globalThis; // to a page it is a script
  return listen(new EventSourcePolyfill(url, { headers }), seen);
}

export async function reconnecting({ url, seen, headers }) {
  const { default: ReconnectingEventSource } = await import('reconnecting-eventsource');
  return listen(new ReconnectingEventSource(url, headers && await nodeOptions(headers)), seen);
}

/** Only messages that it hands on by addEventListener tell this client where it stands. */
export async function reconnectingByProperty({ url, seen }) {
  const { default: ReconnectingEventSource } = await import('reconnecting-eventsource');
  const source = new ReconnectingEventSource(url);
  source.onmessage = note(seen, 'event');
  listenForStreams(source, seen);
}

/** This one takes the end of a stream for the last, unless onclose throws. */
export async function fetchEvents({ url, seen }) {
  await startFetch(url, seen, { onclose: () => { throw new Error('the stream has ended'); }, onerror: note(seen, 'end') });
}

export async function fetchEventsAsItComes({ url, seen }) {
  await startFetch(url, seen, {});
}

async function startFetch(url, seen, options) {
  const { fetchEventSource } = await import('@microsoft/fetch-event-source');
  fetchEventSource(url, {
    onopen: async () => note(seen, 'open')(),
    onmessage: (message) => { if (message.data) note(seen, 'event')(message); }, // comments come as empty messages
    ...options,
  }).then(note(seen, 'finished'));
}

function listen(source, seen) {
  listenForStreams(source, seen);
  source.addEventListener('message', note(seen, 'event'));
  return source;
}

function listenForStreams(source, seen) {
  source.addEventListener('open', note(seen, 'open'));
  source.addEventListener('error', note(seen, 'end'));
}

function note(seen, kind) {
  return (event) => { seen.push({ kind, detail: event?.data }); };
}

async function nodeOptions(headers) {
  const { EventSource } = await import('eventsource');
  return { eventSourceClass: EventSource, fetch: withHeaders(headers) };
}

function withHeaders(more) {
  return (input, init) => fetch(input, { ...init, headers: { ...init.headers, ...more } });
}
