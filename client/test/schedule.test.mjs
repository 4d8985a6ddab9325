import assert from 'node:assert/strict';
import { test } from 'node:test';
import { backoff, headerSeconds, nextPoll } from '../.build/schedule.js';

const almostOne = 1 - 2 ** -53;
const between = (value, low, high, what) => assert.ok(value >= low - 1e-6 && value <= high + 1e-6, `${what}: ${value}`);

test('nextPoll is the longer interval, give or take a tenth', () => {
  for (const [own, server, want] of [[5000, 0, 5000], [5000, 5000, 5000], [5000, 60000, 60000], [10000, 5000, 10000], [5000, 1e15, 3600000]]) {
    between(nextPoll(own, server, 0), want * 0.9, want * 0.9, 'shortest');
    between(nextPoll(own, server, 0.5), want, want, 'middle');
    between(nextPoll(own, server, almostOne), want * 1.1, want * 1.1, 'longest');
  }
});

test('backoff is jitter over all of a growing range', () => {
  for (const [failures, most] of [[0, 1000], [1, 2000], [2, 4000], [3, 8000], [4, 16000], [5, 30000], [6, 30000], [5000, 30000]]) {
    assert.equal(backoff(failures, 0, 0), 500, `shortest after ${failures}`);
    between(backoff(failures, 0, almostOne), most, most, `longest after ${failures}`);
    between(backoff(failures, 0, 0.75), most * 0.75, most * 0.75, `in between after ${failures}`);
  }
});

test('Retry-After is the least, and spread too', () => {
  assert.equal(backoff(0, 7000, 0), 7500);
  between(backoff(1, 7000, almostOne), 9000, 9000, 'longest');
});

test('headerSeconds', () => {
  const cases = [['5', 5000], ['0', 0], [null, 0], ['', 0], ['-1', 0], ['1.5', 0], ['soon', 0], ['Fri, 02 Jan 2026 03:04:05 GMT', 0], ['9'.repeat(400), 3600000]];
  for (const [value, want] of cases) assert.equal(headerSeconds(value), want, value);
});
