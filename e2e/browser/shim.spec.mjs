// compat.inject_shim: the drop-in's tag directly after <head>, in front of an app of this file's own.

import { expect, NAME, test } from './world.mjs';

const SCRIPT = '/_sluice/eventsource.js';

/** HOST is where the page is read. Chromium must agree with every verdict. */
const HEADERS = [
  ['injected', {}],
  ['injected', csp("script-src 'self'; object-src 'none'")],
  ['injected', csp("default-src 'self'")],
  ['injected', csp("script-src 'self' 'nonce-n1'")],
  ['injected', csp("script-src 'self' 'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='")],
  ['injected', csp('script-src HOST')],
  ['injected', csp('script-src http://HOST; connect-src http://HOST/')],
  ['injected', csp('script-src *.test:*')],
  ['injected', csp('script-src http:')],
  ['injected', csp('script-src *; connect-src *')],
  ['injected', csp('script-src HOST/_sluice/')],
  ['injected', csp('script-src HOST/%5Fsluice/eventsource.js')],
  ['injected', csp("script-src 'nonce-n1'")],
  ['injected', csp("script-src 'nonce-n1' 'strict-dynamic' https:")],
  ['injected', csp("script-src 'none'; script-src-elem 'self'")],
  ['injected', csp("script-src 'self'; script-src 'none'")],
  ['injected', csp("default-src 'nonce-n1'; connect-src 'self'")],
  ['injected', csp("script-src 'self'", "script-src 'nonce-n1'")],
  ['injected', csp("script-src 'nonce-n0' 'nonce-n1', script-src 'nonce-n1' 'strict-dynamic'")],
  ['injected', csp("require-trusted-types-for 'script'; script-src 'self'")],
  ['injected', csp('sandbox allow-scripts allow-same-origin')],
  ['injected', { 'Content-Security-Policy-Report-Only': "script-src 'nonce-n1'" }],
  ['csp', csp("script-src 'none'")],
  ['csp', csp("script-src 'unsafe-inline'")],
  ['csp', csp("script-src 'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='")],
  ['csp', csp('script-src https:')],
  ['csp', csp('script-src https://HOST')],
  ['csp', csp(`script-src ${NAME}`)], // without the port
  ['csp', csp(`script-src *.${NAME}:*`)],
  ['csp', csp('script-src elsewhere.test')],
  ['csp', csp('script-src HOST/static/')],
  ['csp', csp('script-src HOST/_sluice')],
  ['csp', csp('script-src HOST/_sluice/eventsource.js/')],
  ['csp', csp("script-src 'self' 'strict-dynamic'")],
  ['csp', csp("script-src 'self'; script-src-elem 'none'")],
  ['csp', csp("script-src 'self'", "script-src 'none'")],
  ['csp', csp("script-src 'nonce-n1'", "script-src 'nonce-n2'")],
  ['csp', csp("default-src 'none'; script-src 'self'")],
  ['csp', csp("default-src 'nonce-n1'")],
  ['csp', csp("connect-src 'none'")],
  ['csp', csp('connect-src ws: wss:')],
  ['csp', csp('connect-src HOST/api')],
  ['csp', csp('sandbox')],
  ['csp', csp('sandbox allow-scripts')],
  ['csp', { 'Integrity-Policy': 'blocked-destinations=(script)' }],
];

function csp(...policies) {
  return { 'Content-Security-Policy': policies };
}

/** Serves one page for each of HEADERS, with the tag put there by hand if asked. */
function pages({ url, headers: { host } }, response) {
  const { pathname, searchParams } = new URL(url, 'http://x');
  if (pathname === '/own.js') {
    return response.setHeader('Content-Type', 'text/javascript').end('(window.order ??= []).push("page");');
  }
  for (const [name, value] of Object.entries(HEADERS[searchParams.get('row')]?.[1] ?? {})) {
    response.setHeader(name, [value].flat().map((text) => text.replaceAll('HOST', host)));
  }
  const tag = searchParams.has('by-hand') ? `<script src="${SCRIPT}" nonce="n1"></script>` : '';
  response.setHeader('Content-Type', 'text/html');
  response.end(`<!doctype html><html><head>${tag}<script src="/own.js" nonce="n1"></script></head><body>a page</body></html>`);
}

test('the script runs first in a page, and only where the policies let it run and poll', async ({ start }) => {
  test.slow();
  const world = await start({ behind: pages, compat: { inject_shim: true } });
  await world.signIn('alice', world.app.url.replace(/\/\/[\d.]+/, `//${NAME}`));
  const page = await world.openWindow();
  await page.route(`**${SCRIPT}`, (route) => route.fulfill({ contentType: 'text/javascript', body: 'window.order = ["shim"];' }));
  await page.addInitScript(() => {
    window.violations = [];
    window.addEventListener('securitypolicyviolation', ({ blockedURI, disposition }) => window.violations.push(`${disposition} ${blockedURI}`));
  });
  const named = (address) => `http://${NAME}:${new URL(address).port}`;

  for (const [row, [verdict, headers]] of HEADERS.entries()) {
    await test.step(`${verdict}: ${JSON.stringify(headers)}`, async () => {
      const count = () => world.metric(`sluice_shim_injections_total{result="${verdict}"}`);
      const before = await count();
      const through = await visit(page, `${named(world.url)}/page?row=${row}`);
      expect(await count()).toBe(before + 1);
      expect(through.works).toBe(verdict === 'injected');
      if (through.works) expect(through.order[0]).toBe('shim');
      expect(through.violations).toEqual([]);

      const byHand = await visit(page, `${named(world.settings.upstream.url)}/page?row=${row}&by-hand`);
      expect(byHand.works).toBe(verdict === 'injected');
    });
  }
});

/** What the script has been able to do in a page, and what the browser says against it. */
async function visit(page, url) {
  await page.goto(url);
  return page.evaluate(async (script) => {
    const polled = await fetch('/api/notifications').then(() => true, () => false);
    const { order = [], violations = [] } = window;
    return { order, works: order.includes('shim') && polled, violations: violations.filter((text) => text.includes(script)) };
  }, SCRIPT);
}

test('a page that the browser keeps is asked about, and changes when its user moves', async ({ start }) => {
  const answers = [];
  const world = await start({
    compat: { inject_shim: true },
    behind(request, response) {
      const known = request.headers['if-none-match'] === '"v1"';
      if (request.url.startsWith('/page')) answers.push(known ? 304 : 200);
      response.writeHead(known ? 304 : 200, { 'Content-Type': 'text/html', 'ETag': '"v1"', 'Last-Modified': 'Sun, 09 Sep 2001 01:46:40 GMT', 'Cache-Control': 'no-cache' });
      response.end(known ? '' : `<!doctype html><html><head><title>x</title></head><body>${request.url.startsWith('/page') ? '<iframe src="/inner">' : ''}</body></html>`);
    },
  });
  await world.signIn('alice', world.app.url);
  const page = await world.openWindow();
  const scripts = () => page.frames().map((frame) => frame.evaluate(() => [...document.scripts].map(({ src }) => new URL(src).pathname)));
  const shows = async (tags, ...all) => {
    await page.goto(`${world.url}/page`);
    expect(await Promise.all(scripts())).toEqual([tags, tags]); // the page, and the one in its frame
    expect(answers).toEqual(all);
  };
  await shows([SCRIPT], 200);
  await shows([SCRIPT], 200, 304);
  expect(await world.metric('sluice_shim_injections_total{result="not_modified"}')).toBe(2);
  const fetched = () => page.evaluate(async () => (await fetch('/page', { headers: { Accept: 'text/html' }, cache: 'no-store' })).text());
  expect(await fetched()).not.toContain(SCRIPT); // a script that fetches a page
  answers.pop();

  await world.changeFlags({ transport: 'sse', stream: 'bridge' });
  await shows([], 200, 304, 200);
  await shows([], 200, 304, 200, 304);
  await world.changeFlags({ transport: 'poll', stream: 'bridge' });
  await shows([SCRIPT], 200, 304, 200, 304, 200);
});
