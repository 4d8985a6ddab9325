import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { createSchedule, headerSeconds } from '../.build/schedule.js';

const ALMOST_ONE = 1 - 2 ** -53;
const [random, clock] = [Math.random, performance.now];
let now = 0;
performance.now = () => now;
afterEach(() => { Math.random = random; });
process.on('exit', () => { performance.now = clock; });

const at = (value, action) => { Math.random = () => value; return action(); };
const near = (value, want, what) => assert.ok(Math.abs(value - want) < 1e-6, `${what}: ${value} instead of ${want}`);
/** A schedule whose first wait is over. */
const going = (own = 5000, adaptive = true) => {
  const schedule = createSchedule(own, adaptive);
  schedule.next(0);
  return schedule;
};

test('the first wait is anything up to the interval, and not too soon', () => {
  for (const [value, want] of [[0, 1000], [0.1, 1000], [0.5, 5000], [ALMOST_ONE, 10000]]) {
    near(at(value, () => createSchedule(5000, true).next(10000)), want, value);
  }
});

test('then it is the longer interval, give or take a tenth', () => {
  for (const [own, server, want] of [[5000, 0, 5000], [5000, 60000, 60000], [10000, 5000, 10000], [5000, 1e15, 3600000], [0, 0, 5000], [NaN, 0, 5000]]) {
    for (const [value, factor] of [[0, 0.9], [0.5, 1], [ALMOST_ONE, 1.1]]) near(at(value, () => going(own).next(server)), want * factor, own);
  }
});

test('while nothing happens it grows to four times as much, and snaps back', () => {
  Math.random = () => 0.5;
  const schedule = going();
  near(schedule.next(0), 5000, 'in the first minute');
  now += 60_001;
  near(schedule.next(0), 6250, 'after it');
  for (let i = 0; i < 20; i++) schedule.next(0);
  near(schedule.next(0), 20000, 'in the end');
  near(schedule.next(60_000), 240_000, 'of the server\'s interval too');
  assert.equal(schedule.active(), true);
  near(schedule.next(0), 5000, 'somebody is there');
  assert.equal(schedule.active(), false);
});

test('unless it may not', () => {
  Math.random = () => 0.5;
  const schedule = going(5000, false);
  now += 3_600_000;
  near(schedule.next(0), 5000, 'after an hour');
});

test('backoff is jitter over all of a growing range', () => {
  const most = [1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000];
  for (const [value, factor] of [[ALMOST_ONE, 1], [0.75, 0.75]]) {
    const schedule = going();
    for (const range of most) near(at(value, () => schedule.backoff(0)), range * factor, range);
    schedule.succeeded();
    near(at(value, () => schedule.backoff(0)), 1000 * factor, 'after a success');
  }
  for (const [, schedule] = [0, going()], range = [...most]; range.pop();) assert.equal(at(0, () => schedule.backoff(0)), 500);
});

test('Retry-After is the least, and spread too', () => {
  assert.equal(at(0, () => going().backoff(7000)), 7500);
  near(at(ALMOST_ONE, () => going().backoff(7000)), 8000, 'longest');
});

test('headerSeconds', () => {
  const cases = [['5', 5000], ['0', 0], [null, 0], ['', 0], ['-1', 0], ['1.5', 0], ['soon', 0], ['Fri, 02 Jan 2026 03:04:05 GMT', 0], ['9'.repeat(400), 3600000]];
  for (const [value, want] of cases) assert.equal(headerSeconds(value), want, value);
});
