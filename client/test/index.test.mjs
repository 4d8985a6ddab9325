// The module, as a bundle or a test of somebody's own uses it: without a window.

import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import { createClient } from '../.build/index.js';
import { FakeStorage, item, page } from './tab.mjs';

/** A fetch that gives these bodies, one after the other. */
const serving = (...bodies) => {
  const fetch = async (url) => {
    fetch.urls.push(url);
    return new Response(JSON.stringify(bodies.shift() ?? page()), { headers: { 'X-Poll-Interval': '5' } });
  };
  fetch.urls = [];
  return fetch;
};
const until = async (condition) => { while (!condition()) await new Promise((resolve) => setImmediate(resolve)); };

test('what onNotification throws costs nothing else', async () => {
  const complaints = mock.method(console, 'error', () => {});
  const seen = [];
  const tab = new FakeStorage();
  const client = createClient({
    fetch: serving({ ...page('a', 'b'), cursor: 'c1' }),
    storage: { tab, browser: new FakeStorage() },
    onNotification(it) {
      seen.push(it.id);
      throw new Error('a mistake of the page');
    },
  });
  client.start();
  await until(() => tab.getItem('last_notification_cursor') === 'c1');
  client.stop();
  complaints.mock.restore();
  assert.deepEqual(seen, ['a', 'b']);
  assert.equal(complaints.mock.callCount(), 2);
});

test('news and what was there before', async () => {
  const seen = [];
  const fetch = serving({ ...page(item('old'), item('new', { created_at: new Date().toISOString() })), cursor: 'c1' });
  const client = createClient({ fetch, onNotification: ({ id }, news) => seen.push([id, news]) });
  client.start();
  await until(() => seen.length === 2);
  client.stop();
  assert.deepEqual(seen, [['old', false], ['new', true]]);
  assert.deepEqual(fetch.urls, ['/api/notifications?limit=50&resume=legacy']);
});
