import { mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Browser } from './support/browser.ts';
import { Stack } from './support/stack.ts';

const SCRIPT = '/assets/index-BX12_-ab.js';
let stack: Stack;
let browser: Browser;
let dist: string;
beforeAll(async () => {
  stack = await Stack.start({ env: { SECAI_UI_WEB: '/nonexistent' } });
  await stack.ui.stop();
  dist = join(stack.dir, 'dist');
  stack.environment.env['SECAI_UI_WEB'] = dist;
  await stack.restartUi();
  browser = stack.browser();
});
afterAll(() => stack?.stop());

async function build(text: string): Promise<void> {
  await mkdir(join(dist, 'assets'), { recursive: true });
  await writeFile(join(dist, 'index.html'), `<!doctype html><title>${text}</title>`);
  await writeFile(join(dist, SCRIPT), 'console.log(1)');
  await writeFile(join(dist, 'favicon.svg'), '<svg/>');
  await writeFile(join(dist, 'notes.php'), 'not served');
  await writeFile(join(stack.dir, 'secret.txt'), 'secret');
  await rm(join(dist, 'link.txt'), { force: true });
  await symlink(join(stack.dir, 'secret.txt'), join(dist, 'link.txt'));
}

/** A request line as no client library would write it. */
async function raw(target: string): Promise<string> {
  const { port, host } = new URL(stack.ui.url);
  const socket = connect(Number(port), '127.0.0.1');
  socket.write(`GET ${target} HTTP/1.1\r\nhost: ${host}\r\nconnection: close\r\n\r\n`);
  let answer = '';
  for await (const chunk of socket) answer += chunk;
  return answer;
}

describe('the page', () => {
  it('says what to run when it was not built', async () => {
    const answer = await browser.get('/');
    expect(answer.status).toBe(503);
    expect(answer.text).toContain('npm run build');
    await build('first');
  });

  it('comes with a policy that lets nothing foreign or inline in', async () => {
    for (const path of ['/', SCRIPT, '/api/session', '/v1/models', '/nothing.js', '/health']) {
      const { headers } = await browser.get(path);
      expect(headers['content-security-policy'], path).toBe(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; font-src 'self'; manifest-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
      );
      expect(headers).toMatchObject({
        'x-content-type-options': 'nosniff',
        'referrer-policy': 'no-referrer',
        'cross-origin-opener-policy': 'same-origin',
        'cross-origin-resource-policy': 'same-origin',
        'permissions-policy': expect.stringContaining('camera=()'),
      });
      expect(headers).not.toHaveProperty('x-powered-by');
      expect(headers).not.toHaveProperty('access-control-allow-origin');
    }
  });

  it('is asked for anew, its hashed files never again', async () => {
    const page = await browser.get('/');
    expect(page.headers).toMatchObject({ 'cache-control': 'no-cache', 'content-type': 'text/html; charset=utf-8' });
    expect((await browser.get('/', { 'if-none-match': page.headers.etag! })).status).toBe(304);
    expect((await browser.get(SCRIPT)).headers).toMatchObject({
      'cache-control': 'public, max-age=31536000, immutable',
      'content-type': 'text/javascript; charset=utf-8',
    });
    expect((await browser.get('/favicon.svg')).headers['cache-control']).toBe('no-cache');
    const head = await browser.send('HEAD', SCRIPT);
    expect([head.status, head.text, head.headers['content-length']]).toEqual([200, '', '14']);
  });

  it('answers every address of the app, and no other', async () => {
    const accept = { accept: 'text/html,*/*' };
    for (const path of ['/', '/chats/123', '/settings?tab=keys'])
      expect((await browser.get(path, accept)).text, path).toContain('first');
    for (const path of [
      '/api/nothing',
      '/v1/nothing',
      '/api',
      '/v1',
      '/assets/missing-12345678.js',
      '/assets/',
      '/x.php',
      '/notes.php',
    ])
      expect((await browser.get(path, accept)).status, path).toBe(404);
    expect((await browser.get('/chats/123')).status).toBe(404);
    expect((await browser.post('/', {})).status).toBe(404);
  });

  it('is new after a build', async () => {
    await rm(dist, { recursive: true });
    await build('second, longer');
    expect((await browser.get('/')).text).toContain('second');
  });

  it.each([
    '/../secret.txt',
    '/assets/../../secret.txt',
    '/%2e%2e/secret.txt',
    '/..%2fsecret.txt',
    '/assets/..%2f..%2fsecret.txt',
    '/assets/..\\..\\secret.txt',
    '//secret.txt',
    '/%00',
    '/index.html%00.txt',
    '/link.txt',
    '/%c0%ae%c0%ae/secret.txt',
    '/%',
    'http://evil.example/../secret.txt',
  ])('reaches no file outside of the app: %s', async (target) => {
    const answer = await raw(target);
    expect(answer).toMatch(/^HTTP\/1\.1 4\d\d /);
    expect(answer.split('\r\n\r\n')[1]).not.toBe('secret');
  });
});
