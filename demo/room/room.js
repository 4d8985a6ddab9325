// The control room: an old and a new tab in frames, levers, and an account of what
// each tab has shown. Only what was seen counts: see Side.watch.

/** An item is lost if it is not shown by a tab that was connected for so long since. */
const LOST_AFTER = 15_000;
const TICK = 250;
/** What a page shows for less than this, nobody sees. */
const A_GLIMPSE = 50;
const ALARM = 'Live updates disconnected, retrying...';

const { user, newest } = document.body.dataset;

/** One of the two tabs: its frame, and all that was seen in it since the room was opened. */
class Side {
  /** How often each notification was shown, by its id. */
  shown = new Map();
  counts = { toasts: 0, alarms: 0, polls: 0, streams: 0 };
  /** How long it was connected so far, in milliseconds. */
  connected = 0;
  /** The document in the frame, once it says so; undefined while there is none that can be watched. */
  page;

  constructor(name) {
    this.element = document.getElementById(name);
    this.frame = this.element.querySelector('iframe');
    this.element.querySelector('.reload').onclick = () => this.reload();
  }

  load() {
    this.frame.src = this.frame.dataset.src;
  }

  /** As the reload button of a tab does, wherever in the app its user has got to. */
  reload() {
    try {
      this.frame.contentWindow.location.reload();
    } catch {
      this.load(); // the browser's own page about an error is not ours to reload
    }
  }

  /** Called by each page in the frame before its own scripts run. */
  watch(win) {
    const page = win.document;
    Object.assign(this, { page, stream: undefined, failing: false });
    win.addEventListener('pagehide', () => { if (this.page === page) this.page = undefined; });
    win.addEventListener('toast', ({ detail }) => this.noteToast(detail, page));
    win.addEventListener('notification:created', ({ detail: { id } }) => {
      this.shown.set(id, (this.shown.get(id) ?? 0) + 1);
    });
    separateStorage(win, this.element.id);
    this.watchPolls(win, page);
    this.watchStreams(win);
  }

  noteToast({ text }, page) {
    const count = (...names) => names.forEach((name) => this.counts[name]++);
    if (text !== ALARM) return count('toasts');
    // A page that is left has its stream cut, and cries out with its last breath: nobody sees that.
    setTimeout(() => this.page === page && count('toasts', 'alarms'), A_GLIMPSE);
  }

  watchPolls(win, page) {
    const { fetch } = win;
    win.fetch = async (...args) => {
      const poll = pathOf(args[0]?.url ?? args[0]) === '/api/notifications';
      const answer = fetch.apply(win, args);
      if (poll) this.counts.polls++;
      if (poll) answer.then(({ ok }) => ok, () => false).then((ok) => { if (this.page === page) this.failing = !ok; });
      return answer;
    };
  }

  watchStreams(win) {
    const side = this;
    win.EventSource = class EventSource extends win.EventSource {
      constructor(url, options) {
        super(url, options);
        if (pathOf(url) !== '/api/stream') return;
        side.stream = this;
        this.addEventListener('open', () => side.counts.streams++);
      }
    };
  }

  /** How the page gets its notifications just now; empty if it does not. */
  get link() {
    if (!this.page) return '';
    const { sluice } = this.frame.contentWindow;
    if (this.stream && this.stream.readyState !== EventSource.CLOSED) {
      return this.stream.readyState === EventSource.OPEN ? 'streaming' : '';
    }
    if (!sluice?.running || this.failing || document.hidden) return '';
    return sluice.transport === 'sse' ? 'streaming' : 'polling';
  }
}

function pathOf(url) {
  return new URL(url, location.href).pathname;
}

/**
 * Gives a page a session storage of its own. Frames of one tab share theirs, and so the list of what was shown: after a
 * reload one page would leave out what only the other has shown.
 */
function separateStorage(win, prefix) {
  const { sessionStorage } = win;
  const value = {
    getItem: (key) => sessionStorage.getItem(`${prefix} ${key}`),
    setItem: (key, text) => sessionStorage.setItem(`${prefix} ${key}`, text),
    removeItem: (key) => sessionStorage.removeItem(`${prefix} ${key}`),
  };
  Object.defineProperty(win, 'sessionStorage', { value });
}

const sides = ['old', 'new'].map((name) => new Side(name));
window.watch = (win) => sides.find(({ frame }) => frame === win.frameElement)?.watch(win);

/** For each notification created since the room was opened, how long each side had been connected then. */
const created = new Map();
let last = { newest };

let looking = Promise.resolve();
/** Asks how everything stands, and acts on what has changed; one look after the other. */
function look() {
  looking = looking.catch(() => {}).then(takeALook);
  return looking;
}

async function takeALook() {
  const answer = await fetch(`/_demo/state?after=${last.newest}`);
  if (answer.status === 401) return location.reload();
  if (!answer.ok) throw new Error(await reason(answer));
  const state = await answer.json();
  if (state.user !== user) return location.reload(); // somebody else has signed in, in another tab
  for (const id of state.created) created.set(id, sides.map(({ connected }) => connected));
  if (last.parts && !last.parts.app.running && state.parts.app.running) {
    sides.filter(({ page }) => !page).forEach((side) => side.reload()); // it could not be loaded
  }
  last = state;
}

async function reason(answer) {
  const body = await answer.json().catch(() => ({}));
  return typeof body.detail === 'string' ? body.detail : `refused (${answer.status})`;
}

let ticked = performance.now();

/** Lets the sides' clocks run on. A tick that comes late, as after a sleep, says nothing of the time before it. */
function tick() {
  const now = performance.now();
  const passed = Math.min(now - ticked, 4 * TICK);
  ticked = now;
  for (const side of sides) if (side.link) side.connected += passed;
  render();
}

function account(side, i) {
  const ids = [...created.keys()];
  const missing = ids.filter((id) => !side.shown.has(id));
  return {
    ...side.counts,
    shown: `${ids.length - missing.length} / ${ids.length}`,
    lost: missing.filter((id) => side.connected - created.get(id)[i] >= LOST_AFTER).length,
    twice: [...side.shown.values()].reduce((sum, times) => sum + times - 1, 0),
  };
}

function write(element, text) {
  if (element.textContent !== String(text)) element.textContent = text;
}

function render() {
  sides.forEach((side, i) => {
    const link = side.element.querySelector('.link');
    write(link, side.link || (side.page ? 'not connected' : 'no page'));
    link.classList.toggle('up', side.link !== '');
    for (const [name, value] of Object.entries(account(side, i))) {
      const cell = side.element.querySelector(`[data-count=${name}]`);
      write(cell, value);
      cell.parentElement.classList.toggle('some', value > 0);
    }
  });
  write(document.getElementById('created'), created.size);
  if (!last.parts) return;
  for (const [name, part] of Object.entries(last.parts)) renderPart(name, part);
  for (const [name, value] of Object.entries(last.figures)) write(document.querySelector(`[data-figure=${name}]`), value);
  flags.toggleAttribute('aria-busy', busy.has(flags));
  if (!busy.has(flags)) for (const name of ['transport', 'stream']) flags.elements[name].value = last[name];
}

function renderPart(name, { running, absent }) {
  const row = document.querySelector(`[data-part=${name}]`);
  const button = row.querySelector('button');
  row.classList.toggle('up', running);
  write(row.querySelector('.is'), absent ? 'none' : running ? 'running' : 'stopped');
  if (absent) write(document.getElementById('absent'), absent);
  write(button, running ? 'Stop' : 'Start');
  button.disabled = Boolean(absent) || busy.has(row);
}

const message = document.getElementById('message');
/** What has been moved and has not yet come to rest. */
const busy = new Set();

/** Moves a lever; `done` is what to say when it has moved. */
async function move(lever, path, fields, done = '') {
  if (busy.has(lever)) return;
  busy.add(lever);
  write(message, '');
  const token = document.cookie.split('; ').find((one) => one.startsWith('csrf_token='))?.slice('csrf_token='.length);
  try {
    const answer = await fetch(path, { method: 'POST', headers: { 'X-CSRF-Token': token ?? '' }, body: new URLSearchParams(fields) });
    if (!answer.ok) throw new Error(await reason(answer));
    await look();
    write(message, done);
  } catch (error) {
    write(message, error.message);
  } finally {
    busy.delete(lever);
    render();
  }
}

const create = document.getElementById('create');
create.onsubmit = (event) => {
  event.preventDefault();
  move(create, '/jobs', { count: event.submitter.value, level: create.elements.level.value });
};

const flags = document.getElementById('flags');
flags.onchange = () => move(flags, '/_demo/flags', Object.fromEntries(new FormData(flags)),
  'The gateway has read the flags. An open stream stays as it is until it ends; a reload opens a new one.');

for (const row of document.querySelectorAll('[data-part]')) {
  row.querySelector('button').onclick = () => move(row, '/_demo/parts',
    { part: row.dataset.part, to: last.parts[row.dataset.part].running ? 'stopped' : 'running' });
}

/** Looks every second, while somebody can see it. */
async function keepLooking() {
  let trouble = '';
  for (;;) {
    if (!document.hidden) {
      const before = trouble;
      trouble = await look().then(() => '', (error) => `The demo does not answer: ${error.message}`);
      if (trouble !== before) write(message, trouble);
    }
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
}

sides.forEach((side) => side.load());
setInterval(tick, TICK);
keepLooking();
