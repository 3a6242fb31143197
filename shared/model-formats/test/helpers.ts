import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ScanOptions, type ScanResult, scanModel } from '../src/index.ts';

/** Runs `use` with a new directory that is gone afterwards. */
export async function withDirectory<T>(use: (directory: string) => Promise<T>): Promise<T> {
  const directory = await mkdtemp(join(tmpdir(), 'model-formats-'));
  try {
    return await use(directory);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** Scans bytes as a file of the given name. */
export function scanBytes(bytes: Uint8Array, name: string, options: ScanOptions = {}): Promise<ScanResult> {
  return withDirectory(async (directory) => {
    const path = join(directory, 'upload');
    await writeFile(path, bytes);
    return scanModel(path, { name, ...options });
  });
}

export function isRejected(result: ScanResult): boolean {
  return Object.values(result.stages).includes('fail');
}
