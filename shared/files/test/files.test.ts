import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ensureDir, writeDurable } from '../src/index.ts';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'secai-files-'));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

describe('writeDurable', () => {
  it('replaces the content, sets the mode and leaves no temporary file', async () => {
    const path = join(dir, 'a.json');
    await writeDurable(path, 'one', 0o600);
    await writeDurable(path, 'two', 0o640);
    expect(await readFile(path, 'utf8')).toBe('two');
    expect((await stat(path)).mode & 0o777).toBe(0o640);
    expect(await readdir(dir)).toEqual(['a.json']);
  });

  it('keeps the old file and cleans up when the target cannot be replaced', async () => {
    await ensureDir(join(dir, 'taken'));
    await writeFile(join(dir, 'taken', 'x'), '1');
    await expect(writeDurable(join(dir, 'taken'), 'data')).rejects.toThrow(/EISDIR|ENOTEMPTY|EEXIST/);
    expect(await readdir(dir)).toEqual(['taken']);
  });
});
