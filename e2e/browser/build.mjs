// Builds the gateway, the sample app and the front once a run. Playwright calls the returned function at the end.

import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const root = join(import.meta.dirname, '../..');

export default async function build() {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-e2e-bin-'));
  await promisify(execFile)('go', ['build', '-o', folder, '.', './e2e/sampleapp', './e2e/front'], { cwd: root });
  process.env.SLUICE_E2E_BIN = folder;
  return () => rm(folder, { recursive: true });
}
