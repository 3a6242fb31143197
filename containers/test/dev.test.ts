import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { makeDevSecrets } from '../dev.ts';

describe('secrets of the contributor stack', () => {
  const folder = mkdtempSync(join(tmpdir(), 'dev-secrets-'));
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it('are all that compose-dev.yml names, and stay the same the second time', () => {
    const compose = readFileSync(new URL('../../compose-dev.yml', import.meta.url), 'utf8');
    const named = [...compose.matchAll(/\.\/\.secai\/dev-secrets\/([\w.-]+)/g)].map((match) => match[1]!);
    makeDevSecrets(folder);
    expect(named.length).toBeGreaterThan(10);
    expect(named.filter((name) => !existsSync(join(folder, name)))).toEqual([]);
    const before = named.map((name) => readFileSync(join(folder, name), 'utf8'));
    makeDevSecrets(folder);
    expect(named.map((name) => readFileSync(join(folder, name), 'utf8'))).toEqual(before);
    expect(readFileSync(join(folder, 'registry--policy-engine'), 'utf8')).toMatch(/^[\w-]{43}$/);
  });
});
