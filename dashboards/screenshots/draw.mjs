// Draws the dashboards with Grafana's own components, from what Prometheus has:
//   npm ci --legacy-peer-deps --ignore-scripts
//   node draw.mjs http://prometheus:9090 FROM TO FOLDER      (times in seconds since 1970)
// Only stat and time-series panels, which are all there are.
import { readFile, readdir } from 'node:fs/promises';
import { execFileSync } from 'node:child_process';
import { build } from 'esbuild';
import { chromium } from 'playwright-core';
import { ask } from './ask.mjs';

const here = new URL('.', import.meta.url).pathname;
const [prometheus, from, to, folder] = process.argv.slice(2);
if (!folder) throw new Error('usage: node draw.mjs PROMETHEUS FROM TO FOLDER');

const bundle = await build({
  entryPoints: [`${here}page.jsx`], bundle: true, write: false, format: 'iife', minify: true, jsx: 'automatic',
  define: { 'process.env.NODE_ENV': '"production"', global: 'window' },
  loader: { '.svg': 'dataurl', '.css': 'empty', '.ttf': 'empty', '.woff2': 'empty' }, logLevel: 'error',
});
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM || execFileSync('which', ['chromium'], { encoding: 'utf8' }).trim(), args: ['--no-sandbox'],
});
for (const name of await readdir(`${here}../grafana`)) {
  const board = JSON.parse(await readFile(`${here}../grafana/${name}`, 'utf8'));
  const data = await ask(prometheus, board, Number(from), Number(to));
  const page = await browser.newPage({ viewport: { width: 1120, height: 400 } });
  page.on('pageerror', (err) => { throw err; });
  const html = '<!doctype html><meta charset=utf-8><body><div id=root></div>';
  await page.route('**/*', (route) => route.fulfill({ contentType: 'text/html', body: html }));
  await page.goto('http://localhost/'); // nobody is asked; the components want a real origin
  await page.evaluate((d) => { window.board = d; }, data);
  await page.addStyleTag({ path: `${here}node_modules/uplot/dist/uPlot.min.css` });
  await page.addScriptTag({ content: bundle.outputFiles[0].text });
  await page.waitForFunction(() => window.drawn);
  await page.screenshot({ path: `${folder}/${name.replace('.json', '.png')}`, fullPage: true });
  await page.close();
}
await browser.close();
