import { defineConfig } from '@playwright/test';

export default defineConfig({
  testMatch: '*.spec.mjs',
  globalSetup: './build.mjs',
  // Tests mostly wait for the next poll, so there are more of them than a small machine has processors.
  workers: 3,
  fullyParallel: true,
  forbidOnly: Boolean(process.env.CI),
  timeout: 60_000,
  expect: { timeout: 30_000 },
  reporter: 'list',
});
