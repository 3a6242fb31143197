import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { verifies } from '../claims.ts';
import { repository, type Stack, starterModelFile, startStack } from '../support/stack.ts';

let stack: Stack;
beforeAll(async () => {
  stack = await startStack();
});
afterAll(() => stack?.stop());

interface Result {
  code: number;
  out: string;
  err: string;
}

function secai(args: string[], home = stack.home): Promise<Result> {
  return new Promise((resolve) => {
    execFile(
      'node',
      [join(repository, 'shared/cli/bin/secai.mjs'), ...args],
      { env: { PATH: process.env['PATH'], SECAI_HOME: home }, cwd: repository },
      (error, out, err) => resolve({ code: error ? Number(error.code) : 0, out, err }),
    );
  });
}
const json = async <T>(args: string[]): Promise<T> => JSON.parse((await secai([...args, '--json'])).out) as T;

verifies(['cli.operator'], () => {
  it('shows the state of the services', async () => {
    const { code, out } = await secai(['status']);
    expect(code).toBe(0);
    expect(out).toMatch(/registry +\d+ +ready +\d+ MB/);
    const { services } = await json<{ services: { service: string; state: string }[] }>(['status']);
    expect(services.every(({ state }) => state === 'ready')).toBe(true);
  });

  it('imports, lists, chats', { timeout: 150_000 }, async () => {
    expect((await secai(['models'])).out).toContain('no models yet');
    const imported = await secai(['import', starterModelFile, '--name', 'smol']);
    expect(imported.err.match(/^ {2}[✓–] \w+$/gm)).toHaveLength(7);
    expect(imported.out).toContain('smol: passed');
    expect(imported.code).toBe(0);
    expect((await secai(['models'])).out).toMatch(/smol +available/);
    const { content, usage } = await json<{ content: string; usage: { completion_tokens: number } }>([
      'chat',
      'Say hello.',
    ]);
    expect(content.length).toBeGreaterThan(1);
    expect(usage.completion_tokens).toBeGreaterThan(0);
  });

  it('says why a file is refused, and ends with 1', async () => {
    const file = join(stack.home, 'bad.gguf');
    await writeFile(file, 'GGUF');
    const { code, out } = await secai(['import', file]);
    expect(code).toBe(1);
    expect(out).toMatch(/bad: rejected/);
  });

  it('makes a key that works', async () => {
    const { out, code } = await secai(['keys', 'create', '--name', 'script']);
    expect(code).toBe(0);
    const answer = await fetch(`${stack.url('ui')}/v1/models`, { headers: { authorization: `Bearer ${out.trim()}` } });
    expect(answer.status).toBe(200);
  });

  it('shows logs of one service and of all in order of time', async () => {
    expect((await secai(['logs', 'registry'])).out).toContain('registry         │ ');
    const lines = (await secai(['logs', '--json'])).out
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as { time: string }).time);
    expect(lines.length).toBeGreaterThan(4);
    expect(lines).toEqual([...lines].sort());
  });

  it('verifies every audit log, and names the place where one was changed', async () => {
    const good = await secai(['audit', 'verify']);
    expect(good.code, good.out).toBe(0);
    await stack.launcher.stop();
    const dir = join(stack.home, 'audit', 'registry');
    const segment = join(dir, '000000000000.jsonl');
    const bytes = await readFile(segment);
    bytes[bytes.indexOf('service_started')] = 'S'.charCodeAt(0);
    await writeFile(segment, bytes);
    const bad = await secai(['audit', 'verify']);
    expect(bad.code).toBe(1);
    expect(bad.out).toMatch(/registry +BROKEN/);
    expect(bad.out).toContain('000000000000.jsonl');
  });

  it('has exit codes and words for what goes wrong', async () => {
    const nowhere = join(stack.home, 'nowhere');
    expect(await secai(['status'], nowhere)).toMatchObject({
      code: 3,
      err: expect.stringContaining('nothing runs on'),
    });
    expect(await secai(['frobnicate'])).toMatchObject({
      code: 2,
      err: expect.stringContaining('there is no command "frobnicate"'),
    });
    expect(await secai(['import'])).toMatchObject({ code: 2 });
    expect(await secai(['status', '--bogus'])).toMatchObject({ code: 2 });
    expect((await secai(['--help'])).out).toContain('Exit codes');
    expect(await secai([])).toMatchObject({ code: 2 });
  });
});
