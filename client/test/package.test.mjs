// The package as somebody gets it who installs it.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { build } from 'esbuild';

const run = promisify(execFile);
const client = join(import.meta.dirname, '..');
let folder;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sluice-package-'));
  const { stdout } = await run('npm', ['pack', '--json', '--pack-destination', folder], { cwd: client });
  const [{ filename }] = JSON.parse(stdout.slice(stdout.indexOf('[')));
  const into = join(folder, 'node_modules/sluice-client');
  await mkdir(into, { recursive: true });
  await run('tar', ['xzf', join(folder, filename), '-C', into, '--strip-components=1']);
  await writeFile(join(folder, 'package.json'), '{"type":"module"}');
});
after(() => rm(folder, { recursive: true, force: true }));

const consumer = `
import { createClient, type Item, type Transport } from 'sluice-client';

const seen: string[] = [];
const client = createClient({
  interval: 1_000,
  onNotification: (item: Item, news) => { seen.push(\`\${item.id} \${item.level} \${news}\`); client.stop(); },
  fetch: async (url, init) => {
    const { 'Sluice-Client': version } = init.headers as Record<string, string>;
    if (version !== client.version || !url.startsWith('/api/notifications?')) throw new Error(url);
    return new Response(JSON.stringify({ notifications: [{ id: 'a', level: 'info', text: 't', context: {} }], cursor: 'c1' }));
  },
});
client.start();
const running: boolean = client.running;
const transport: Transport = client.transport;
while (client.running) await new Promise((resolve) => setTimeout(resolve, 1));
console.log(JSON.stringify({ seen, running, transport }));
`;
const SEEN = { seen: ['a info false'], running: true, transport: 'poll' };

test('it can be bundled, and runs where there is no window', async () => {
  await writeFile(join(folder, 'app.ts'), consumer);
  await build({ entryPoints: [join(folder, 'app.ts')], outfile: join(folder, 'bundle.js'), bundle: true, format: 'esm', logLevel: 'silent' });
  const { stdout } = await run('node', ['bundle.js'], { cwd: folder, timeout: 20_000 });
  assert.deepEqual(JSON.parse(stdout), SEEN);
});

test('its types are those of what it does', async () => {
  await writeFile(join(folder, 'types.ts'), `${consumer}
window.addEventListener('notification:created', ({ detail }) => detail.id.length);
window.addEventListener('toast', ({ detail }) => detail.type === 'error' && detail.href);
window.addEventListener('sluice:transport', ({ detail }) => detail.transport === 'sse');
createClient({ storage: { tab: sessionStorage }, adaptive: false, onNotification: ({ context }) => context['job_id'] });
// @ts-expect-error a misspelt option
createClient({ intervall: 5 });
// @ts-expect-error not for others to set
client.transport = 'sse';
// @ts-expect-error no such field
window.addEventListener('toast', ({ detail }) => detail.level);
`);
  const options = ['--strict', '--noEmit', '--skipLibCheck', 'false', '--target', 'es2022', '--module', 'esnext', '--moduleResolution', 'bundler', '--lib', 'es2022,dom', '--types', ''];
  await run(join(client, 'node_modules/.bin/tsc'), [...options, 'types.ts'], { cwd: folder }).catch(({ stdout }) => assert.fail(stdout));
});

test('its scripts are those that the gateway serves', async () => {
  for (const name of ['client.js', 'eventsource.js']) {
    const inside = await readFile(join(folder, 'node_modules/sluice-client/lib', name), 'utf8');
    assert.ok(inside === await readFile(join(client, 'dist', name), 'utf8'), name);
  }
});

test('its version is the gateway\'s', async () => {
  const { version } = JSON.parse(await readFile(join(folder, 'node_modules/sluice-client/package.json'), 'utf8'));
  assert.match(await readFile(join(client, 'client.go'), 'utf8'), new RegExp(`const version = "${version}"`));
});
