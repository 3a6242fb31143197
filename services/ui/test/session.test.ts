import { readdir, readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { contracts } from '@secai/contracts';
import { ConfigError, startService } from '@secai/kit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { verifies } from '../../../tests/claims.ts';
import { Owner } from '../src/owner.ts';
import { PassphraseHasher } from '../src/passphrase.ts';
import { uiService } from '../src/service.ts';
import { ABSOLUTE_MS, csrfTokenOf, IDLE_MS } from '../src/sessions.ts';
import type { Browser } from './support/browser.ts';
import { PASSPHRASE, Stack } from './support/stack.ts';

const WRONG = 'wrong horse battery';
const MINUTE_MS = 60_000;

let stack: Stack;
let owner: Browser;
beforeAll(async () => {
  stack = await Stack.start();
});
afterAll(() => stack?.stop());

const login = (passphrase: string) => stack.browser().post('/api/login', { passphrase });
const sessionTokenOf = (browser: Browser) => browser.cookie!.slice('secai_session='.length);

async function auditEvents(): Promise<Record<string, unknown>[]> {
  const dir = stack.environment.env['SECAI_AUDIT_DIR']!;
  const files = (await readdir(dir)).filter((file) => file.endsWith('.jsonl')).sort();
  const texts = await Promise.all(files.map((file) => readFile(join(dir, file), 'utf8')));
  return texts.flatMap((text) =>
    text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Record<string, unknown>),
  );
}

describe('set-up', () => {
  it('wants twelve characters and a login needs a passphrase first', async () => {
    expect((await stack.browser().post('/api/setup', { passphrase: 'short' })).json).toMatchObject({
      status: 400,
      code: 'invalid_field',
    });
    expect((await login(PASSPHRASE)).json).toMatchObject({ status: 409, code: 'conflict' });
  });

  it('lets exactly one of several at once choose the passphrase', async () => {
    const browsers = Array.from({ length: 4 }, () => stack.browser());
    expect((await browsers[0]!.get('/api/session')).json).toMatchObject({ state: 'setup', csrf_token: null });
    const answers = await Promise.all(
      browsers.map((browser) => browser.post('/api/setup', { passphrase: PASSPHRASE })),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 409, 409, 409]);
    owner = browsers[answers.findIndex(({ status }) => status === 201)]!;
    expect((await stack.browser().get('/api/session')).json).toMatchObject({ state: 'locked' });
    expect((await owner.get('/api/session')).json).toMatchObject({ state: 'open', mode: 'evaluation' });
  });
});

verifies(['boundary.user'], 'the session', () => {
  it('is a cookie that scripts cannot read and other sites cannot send', async () => {
    const answer = await login(PASSPHRASE);
    const [cookie] = answer.headers['set-cookie']!;
    expect(cookie).toMatch(/^secai_session=[A-Za-z0-9_-]{43}; HttpOnly; SameSite=Strict; Path=\/$/);
    const token = cookie!.slice('secai_session='.length, 'secai_session='.length + 43);
    expect(answer.text).not.toContain(token);
    expect(answer.headers['cache-control']).toBe('no-store');
  });

  it('leaves neither token nor passphrase in the store or the audit log', async () => {
    const token = sessionTokenOf(owner);
    const rows = await stack.store.query<{ row: string }>(
      `SELECT s::text AS row FROM ui.sessions s UNION ALL SELECT o::text FROM ui.owner o`,
    );
    const kept = JSON.stringify(rows) + JSON.stringify(await auditEvents());
    expect(kept).toContain('$argon2id$v=19$m=65536,t=3,p=1$');
    for (const secret of [token, Buffer.from(token).toString('hex'), csrfTokenOf(token), PASSPHRASE])
      expect(kept).not.toContain(secret);
  });

  it('guards every session route, and every change also by the CSRF token', async () => {
    const id = '00000000-0000-4000-8000-000000000000';
    const other = await stack.loggedIn();
    const routes = Object.values(contracts.ui.routes).filter((route) => 'auth' in route && route.auth === 'session');
    expect(routes.length).toBeGreaterThan(15);
    for (const { method, path } of routes) {
      const url = path.replace(/:(id|message_id)/g, id).replace(':name', 'some-model');
      const stranger = await stack.browser().send(method, url);
      expect(stranger.json, `${method} ${path} without a session`).toMatchObject({ status: 401, code: 'unauthorized' });
      if (method === 'GET') continue;
      for (const csrf of [undefined, '', 'x'.repeat(43), other.csrf!]) {
        const forged = await owner.send(method, url, undefined, { 'x-secai-csrf': csrf });
        expect(forged.json, `${method} ${path} with ${csrf}`).toMatchObject({ status: 403, code: 'csrf' });
      }
    }
  });

  it.each([
    ['another origin', { origin: 'http://evil.example' }],
    ['another port', { origin: 'http://127.0.0.1:1' }],
    ['a sandboxed frame', { origin: 'null' }],
    ['another site', { 'sec-fetch-site': 'cross-site' }],
    ['another port by metadata', { 'sec-fetch-site': 'same-site' }],
  ])('refuses changes from %s, with and without a session', async (_what, headers) => {
    for (const answer of [
      await owner.post('/api/logout', undefined, headers),
      await stack.browser().post('/api/login', { passphrase: PASSPHRASE }, headers),
    ])
      expect(answer.json).toMatchObject({ status: 403, code: 'csrf' });
  });

  it('refuses reads that another site makes', async () => {
    expect((await owner.get('/api/chats', { 'sec-fetch-site': 'cross-site' })).json).toMatchObject({ code: 'csrf' });
  });

  it.each(['evil.example', 'localhost.evil.example', '127.0.0.1', '127.0.0.1:1', '127.0.0.1.nip.io:80', '[::1]'])(
    'answers to no foreign name: %s',
    async (host) => {
      for (const path of ['/', '/api/session', '/v1/models', '/ready'])
        expect((await owner.get(path, { host })).status, path).toBe(403);
      expect((await owner.get('/health', { host })).status).toBe(200);
    },
  );

  it('answers to localhost, and refuses a request without a name', async () => {
    const { port } = new URL(stack.ui.url);
    expect((await owner.get('/api/session', { host: `localhost:${port}` })).status).toBe(200);
    expect((await owner.get('/api/session', { host: `[::1]:${port}` })).status).toBe(200);
    const socket = connect(Number(port), '127.0.0.1');
    socket.end('GET /api/session HTTP/1.0\r\n\r\n');
    let answer = '';
    for await (const chunk of socket) answer += chunk;
    expect(answer).toMatch(/^HTTP\/1\.1 403 /);
  });

  it('refuses two session cookies, malformed ones and those of nobody', async () => {
    for (const cookie of [
      `${owner.cookie}; secai_session=${'a'.repeat(43)}`,
      'secai_session=',
      `secai_session=${'a'.repeat(43)}`,
      `secai_session=${'%00'.repeat(20)}`,
    ])
      expect((await owner.get('/api/chats', { cookie })).status).toBe(401);
  });

  it('ends by logging out', async () => {
    const browser = await stack.loggedIn();
    const { cookie } = browser;
    const answer = await browser.post('/api/logout');
    expect(answer.json).toMatchObject({ state: 'locked', csrf_token: null });
    expect(answer.headers['set-cookie']![0]).toMatch(/^secai_session=; .*Max-Age=0$/);
    expect((await owner.get('/api/chats', { cookie: cookie! })).status).toBe(401);
  });

  it('ends after half a day without a request, and after a week with them', async () => {
    const idle = await stack.loggedIn();
    const busy = await stack.loggedIn();
    const started = stack.clock.now();
    stack.clock.advance(IDLE_MS - MINUTE_MS);
    expect((await busy.get('/api/chats')).status).toBe(200);
    stack.clock.advance(2 * MINUTE_MS);
    expect((await idle.get('/api/chats')).status).toBe(401);
    expect((await idle.get('/api/session')).headers['set-cookie']![0]).toContain('Max-Age=0');
    expect((await busy.get('/api/chats')).status).toBe(200);
    while (stack.clock.now() - started < ABSOLUTE_MS - IDLE_MS) {
      stack.clock.advance(IDLE_MS - MINUTE_MS);
      expect((await busy.get('/api/chats')).status).toBe(200);
    }
    stack.clock.advance(IDLE_MS);
    expect((await busy.get('/api/chats')).status).toBe(401);
    owner = await stack.loggedIn();
  });
});

verifies(['boundary.user'], 'guessing', () => {
  it('is slowed down, whatever the attempts come from, and outlives a restart', async () => {
    stack.clock.advance(10 * MINUTE_MS);
    const statuses = (await Promise.all(Array.from({ length: 8 }, () => login(WRONG)))).map(({ status }) => status);
    expect(statuses.filter((status) => status === 401)).toHaveLength(5);
    expect(statuses.filter((status) => status === 429)).toHaveLength(3);
    await stack.restartUi();
    const limited = await login(PASSPHRASE);
    expect(limited.json).toMatchObject({ status: 429, code: 'rate_limited' });
    const wait = Number(limited.headers['retry-after']);
    expect(wait).toBeGreaterThan(0);
    stack.clock.advance((wait - 1) * 1000);
    expect((await login(PASSPHRASE)).status).toBe(429);
    stack.clock.advance(1000);
    expect((await login(WRONG)).json).toMatchObject({ status: 401, code: 'wrong_passphrase' });
  });

  it('waits longer after each wrong one, never longer than a minute, and a right one clears it', async () => {
    const waits: number[] = [];
    for (const failures of [5, 7, 9, 20]) {
      stack.clock.advance(MINUTE_MS);
      await stack.store.query('UPDATE ui.login_guard SET failures = $1', [failures]);
      expect((await login(WRONG)).status).toBe(401);
      waits.push(Number((await login(WRONG)).headers['retry-after'] ?? 0));
    }
    expect(waits).toEqual([2, 8, 32, 60]);
    stack.clock.advance(MINUTE_MS);
    expect((await login(PASSPHRASE)).status).toBe(200);
    expect((await login(WRONG)).status).toBe(401);
    expect((await login(PASSPHRASE)).status).toBe(200);
  });

  it('gains nothing from a clock that goes back', async () => {
    await stack.store.query('UPDATE ui.login_guard SET failures = 20, tokens = 1');
    expect((await login(WRONG)).status).toBe(401);
    stack.clock.advance(-365 * 24 * 60 * MINUTE_MS);
    const limited = await login(WRONG);
    expect(limited.status).toBe(429);
    expect(Number(limited.headers['retry-after'])).toBeLessThanOrEqual(60);
    stack.clock.advance(366 * 24 * 60 * MINUTE_MS);
    expect((await login(PASSPHRASE)).status).toBe(200);
  });
});

describe('changing the passphrase', () => {
  const NEXT = 'a newer, longer passphrase';

  it('needs the current one and ends all other sessions', async () => {
    const browser = await stack.loggedIn();
    const other = await stack.loggedIn();
    const old = browser.cookie!;
    expect((await browser.post('/api/passphrase', { current: WRONG, passphrase: NEXT })).json).toMatchObject({
      code: 'wrong_passphrase',
    });
    const changed = await browser.post('/api/passphrase', { current: PASSPHRASE, passphrase: NEXT });
    expect(changed.json).toMatchObject({ state: 'open' });
    expect((await browser.get('/api/chats')).status).toBe(200);
    expect((await other.get('/api/chats')).status).toBe(401);
    expect((await browser.get('/api/chats', { cookie: old })).status).toBe(401);
    expect((await login(PASSPHRASE)).status).toBe(401);
    expect((await login(NEXT)).status).toBe(200);
    await browser.post('/api/passphrase', { current: NEXT, passphrase: PASSPHRASE });
  });

  it('takes the same characters in another Unicode form', async () => {
    const browser = await stack.loggedIn();
    await browser.post('/api/passphrase', { current: PASSPHRASE, passphrase: 'Zürich café 2026'.normalize('NFC') });
    expect((await login('Zürich café 2026'.normalize('NFD'))).status).toBe(200);
    await browser.post('/api/passphrase', { current: 'Zürich café 2026', passphrase: PASSPHRASE });
    expect((await login(PASSPHRASE)).status).toBe(200);
  });
});

describe('the record', () => {
  it('has every login, refusal and change', async () => {
    const events = await auditEvents();
    const count = (event: string, result: string) =>
      events.filter((entry) => entry['event'] === event && entry['result'] === result).length;
    expect(count('set_up', 'ok')).toBe(1);
    expect(count('login', 'ok')).toBeGreaterThan(5);
    expect(count('login', 'failed')).toBeGreaterThan(5);
    expect(count('login', 'limited')).toBeGreaterThan(0);
    expect(count('passphrase_change', 'failed')).toBe(1);
    expect(count('passphrase_change', 'ok')).toBe(4);
    expect(events.some(({ event }) => event === 'logout')).toBe(true);
    expect(events.some(({ event }) => event === 'unauthorized_access')).toBe(true);
  });
});

describe('two processes on one store', () => {
  it('set the passphrase once between them', async () => {
    await stack.ui.stop();
    await stack.store.query('DELETE FROM ui.owner');
    const owners = [0, 1].map(() => new Owner(stack.store, new PassphraseHasher(), stack.clock));
    const results = await Promise.allSettled(owners.map((one, i) => one.setUp(`passphrase number ${i}`)));
    const winner = results.findIndex(({ status }) => status === 'fulfilled');
    expect(results[1 - winner]).toMatchObject({ status: 'rejected', reason: { code: 'conflict' } });
    expect(await owners[0]!.isPassphrase(`passphrase number ${winner}`)).toBe(true);
  });
});

describe('the environment', () => {
  it('sets the passphrase only when there is none', async () => {
    await stack.store.query('DELETE FROM ui.owner');
    stack.environment.env['SECAI_PASSPHRASE'] = 'from the environment';
    stack.ui = await startService(uiService, { env: stack.environment.env, clock: stack.clock });
    expect((await stack.browser().get('/api/session')).json).toMatchObject({ state: 'locked' });
    expect((await login('from the environment')).status).toBe(200);
    await stack.ui.stop();
    stack.environment.env['SECAI_PASSPHRASE'] = 'another one, later';
    stack.ui = await startService(uiService, { env: stack.environment.env, clock: stack.clock });
    expect((await login('from the environment')).status).toBe(200);
  });

  it('names a wrong variable without its secret', async () => {
    await stack.ui.stop();
    const start = (change: Record<string, string | undefined>) =>
      startService(uiService, { env: { ...stack.environment.env, ...change } });
    await expect(start({ SECAI_PASSPHRASE: 'hunter2' })).rejects.toThrow(ConfigError);
    await expect(start({ SECAI_PASSPHRASE: 'hunter2' })).rejects.not.toThrow(/hunter2/);
    await expect(start({ DATABASE_URL: undefined })).rejects.toThrow(/DATABASE_URL is not set/);
  });

  it('adds names, and under them the cookie is for TLS only', async () => {
    const env = { ...stack.environment.env, SECAI_UI_HOSTS: 'secai.lan, Box:8480' };
    stack.ui = await startService(uiService, { env, clock: stack.clock });
    const browser = stack.browser();
    const answer = await browser.post(
      '/api/login',
      { passphrase: 'from the environment' },
      { host: 'secai.lan', origin: 'https://secai.lan' },
    );
    expect(answer.headers['set-cookie']![0]).toMatch(/; Path=\/; Secure$/);
    expect((await browser.get('/api/session', { host: 'box:8480' })).status).toBe(200);
    expect((await browser.get('/api/session', { host: 'box' })).status).toBe(403);
  });
});
