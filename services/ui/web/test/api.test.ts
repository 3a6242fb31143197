import { ui } from '@secai/contracts';
import { expect, test } from 'vitest';
import { addressOf, csrfHeaders, endpoints, problemError, rememberCsrf, sessionEnded } from '../src/api.ts';
import { sentence } from '../src/lib/format.ts';

test('the page calls exactly the routes of the contract', () => {
  const routes = Object.entries(ui.routes)
    .filter(([, route]) => route.path.startsWith('/api/'))
    .map(([name, route]) => [name, [route.method, route.path]]);
  expect(endpoints).toEqual(Object.fromEntries(routes));
});

test('values in addresses are escaped', () => {
  expect(addressOf('/api/models/:name', { name: '../x?y#z' })).toBe('/api/models/..%2Fx%3Fy%23z');
  expect(addressOf('/api/chats', {}, { q: 'a&b c', other: undefined })).toBe('/api/chats?q=a%26b+c');
});

test('the CSRF token of the session goes with every change', () => {
  expect(csrfHeaders()).toEqual({});
  rememberCsrf({ state: 'open', csrf_token: 'abc', mode: 'evaluation', version: '0.1.0' });
  expect(csrfHeaders()).toEqual({ 'x-secai-csrf': 'abc' });
  rememberCsrf({ state: 'locked', csrf_token: null, mode: 'evaluation', version: '0.1.0' });
  expect(csrfHeaders()).toEqual({});
});

test('a problem document is shown by its detail, its wait is read', () => {
  const error = problemError(429, '{"code":"rate_limited","detail":"wait a moment"}', '30');
  expect(error).toMatchObject({ code: 'rate_limited', status: 429, retryAfter: 30, message: 'Wait a moment.' });
  expect(
    problemError(400, '{"code":"invalid_field","errors":[{"field":"x","message":"too long"}]}', null).message,
  ).toBe('Too long.');
  expect(problemError(502, '<html>bad gateway</html>', null)).toMatchObject({ code: 'unknown', retryAfter: null });
  expect(problemError(500, 'null', 'soon').message).toBe('The server answered with an error (500).');
});

test('an ended session is told from a wrong passphrase', () => {
  const before = sessionEnded.get().count;
  problemError(401, '{"code":"wrong_passphrase","detail":"no"}', null);
  expect(sessionEnded.get().count).toBe(before);
  problemError(401, '{"code":"unauthorized","detail":"log in"}', null);
  expect(sessionEnded.get().count).toBe(before + 1);
});

test('details become sentences', () => {
  expect(['wait', 'Done.', ' really? ', ''].map(sentence)).toEqual(['Wait.', 'Done.', 'Really?', '.']);
});
