import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hashKey } from '../.build/hash.js';
import { isNews, linkOf, parseAnswer } from '../.build/items.js';

process.env.TZ = 'America/New_York'; // a time without a zone must not be taken for local

test('hashKey is FNV-1a over code units', () => {
  // The first three are vectors of the FNV authors; the others were worked out with the function below.
  const slow = (text) => {
    let hash = 2166136261n;
    for (let i = 0; i < text.length; i++) hash = ((hash ^ BigInt(text.charCodeAt(i))) * 16777619n) % 2n ** 32n;
    return hash.toString(16).padStart(8, '0');
  };
  const vectors = { '': '811c9dc5', a: 'e40c292c', foobar: 'bf9cf968' };
  for (const [text, want] of Object.entries(vectors)) {
    assert.equal(hashKey(text), want);
    assert.equal(slow(text), want);
  }
  for (const text of ['é', '😀', 'n-1:info:Grüße €', 'x'.repeat(500)]) assert.equal(hashKey(text), slow(text), text);
  assert.ok([...Array(400).keys()].map((i) => hashKey(`${i}`)).every((key) => /^[0-9a-f]{8}$/.test(key)));
});

test('parseAnswer turns a page round and reads its marks', () => {
  const body = { notifications: [{ id: 'b' }, { id: 'a' }], cursor: 'c', has_more: true, reset: true };
  const answer = parseAnswer(body);
  assert.deepEqual(answer.items.map(({ id }) => id), ['a', 'b']);
  assert.deepEqual([answer.cursor, answer.hasMore, answer.reset], ['c', true, true]);
  assert.deepEqual(parseAnswer({ notifications: [] }), { items: [], cursor: '', hasMore: false, reset: false });
});

test('parseAnswer refuses what is no answer', () => {
  for (const body of [null, 'text', 7, [], {}, { notifications: null }, { notifications: { length: 1 } }]) {
    assert.throws(() => parseAnswer(body), TypeError, JSON.stringify(body));
  }
});

test('parseAnswer leaves out malformed items and straightens the others', () => {
  const hostile = [null, 1, 'x', [], {}, { id: '' }, { id: 7 }, { id: { toString: 1 } }];
  assert.deepEqual(parseAnswer({ notifications: hostile }).items, []);
  const answer = parseAnswer({ notifications: [{ id: 'a', level: { toString: 1 }, text: null, extra: 1 }], cursor: 5, has_more: 1, reset: 'x' });
  const straight = { id: 'a', level: '', text: '', context: {}, extra: 1 };
  assert.deepEqual(answer, { items: [straight], cursor: '', hasMore: false, reset: false });
});

test('context is an object, whatever was sent', () => {
  const cases = [
    ['{"job_id":"j"}', { job_id: 'j' }], [{ job_id: 'j' }, { job_id: 'j' }],
    ['', {}], ['{', {}], ['[1]', {}], ['null', {}], ['"text"', {}], [null, {}], [undefined, {}], [[1], {}], [5, {}],
  ];
  for (const [context, want] of cases) {
    assert.deepEqual(parseAnswer({ notifications: [{ id: 'a', context }] }).items[0].context, want, JSON.stringify(context));
  }
  const [{ context }] = parseAnswer({ notifications: [{ id: 'a', context: '{"__proto__":{"href":"/x"}}' }] }).items;
  assert.equal(linkOf(context), null);
});

test('linkOf', () => {
  const cases = [
    [{}, null],
    [{ href: '/a/b?c#d' }, '/a/b?c#d'], [{ href: '/' }, '/'], [{ href: 'https://other.test/x' }, 'https://other.test/x'],
    [{ href: 'HTTP://other.test' }, 'HTTP://other.test'],
    [{ href: '/own', document_id: 'd' }, '/own'],
    [{ document_id: 'd', job_id: 'j' }, '/dashboard/documents/d'],
    [{ job_id: 12 }, '/dashboard/jobs/12'],
    [{ document_id: 'a/../b?c' }, '/dashboard/documents/a%2F..%2Fb%3Fc'],
    [{ document_id: {}, job_id: 'j' }, '/dashboard/jobs/j'],
    [{ document_id: '\ud800' }, null],
    [{ href: '//evil.test' }, null], [{ href: '/\\evil.test' }, null], [{ href: '/\t/evil.test' }, null], [{ href: '/\n/evil.test' }, null],
    [{ href: 'javascript:alert(1)' }, null], [{ href: ' javascript:alert(1)' }, null], [{ href: 'java\nscript:alert(1)' }, null],
    [{ href: 'data:text/html,x' }, null], [{ href: 'x\nhttps://a' }, null], [{ href: 'relative' }, null], [{ href: '\\\\evil' }, null],
    [{ href: 'https:evil' }, null], [{ href: { toString: 1 } }, null], [{ href: ['/x'] }, null],
    [{ href: 'javascript:alert(1)', document_id: 'd' }, null],
  ];
  for (const [context, want] of cases) assert.equal(linkOf(context), want, JSON.stringify(context));
});

test('isNews', () => {
  const now = Date.UTC(2026, 0, 2, 3, 4, 5);
  const cases = [
    [{ created_at: '2026-01-02T03:04:05Z' }, true],
    [{ created_at: '2026-01-02T03:02:05Z' }, true],
    [{ created_at: '2026-01-02T03:02:04Z' }, false],
    [{ created_at: '2026-01-02T04:04:05.123456+01:00' }, true],
    [{ created_at: '2026-01-02 03:04:00' }, true],
    [{ created_at: '2026-01-02 03:02:04' }, false],
    [{ created_at: '2026-01-02 03:04:00', seen_at: '2026-01-02 03:04:01' }, false],
    [{ created_at: '2026-01-02 03:04:00', dismissed_at: '2026-01-02 03:04:01' }, false],
    [{ created_at: '2026-01-02 03:04:00', seen_at: null, dismissed_at: null }, true],
    [{ created_at: 'yesterday' }, false], [{ created_at: 5 }, false], [{}, false],
  ];
  for (const [item, want] of cases) assert.equal(isNews(item, now), want, JSON.stringify(item));
});
