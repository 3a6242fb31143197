import { cp, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generateSigningKey, type SigningKey } from '@secai/signing';
import { afterAll } from 'vitest';
import { type AuditLogOptions, openAuditLog, type VerifyOptions, verifyAuditLog } from '../src/index.ts';

export const ORIGIN = 'test.secai.local';
export const KEY: SigningKey = generateSigningKey();
export const START = Date.UTC(2026, 0, 1);

const folders: string[] = [];
afterAll(async () => {
  for (const folder of folders) await rm(folder, { recursive: true, force: true });
});

export async function newFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'secai-audit-'));
  folders.push(folder);
  return folder;
}

/** A copy of a log's folder as it is now. */
export async function snapshot(dir: string): Promise<string> {
  const copy = await newFolder();
  await cp(dir, copy, { recursive: true });
  return copy;
}

export function openLog(dir: string, options: Partial<AuditLogOptions> = {}) {
  let now = START;
  return openAuditLog({ dir, origin: ORIGIN, key: KEY, now: () => now++, ...options });
}

export function verifyLog(dir: string, options: Partial<VerifyOptions> = {}) {
  return verifyAuditLog({ dir, origin: ORIGIN, publicKey: KEY.publicKey, settleMs: 0, ...options });
}

/** A closed log of `count` small records in several segments, with a few checkpoints. */
export async function closedLog(count: number, options: Partial<AuditLogOptions> = {}): Promise<string> {
  const dir = await newFolder();
  const log = await openLog(dir, { segmentBytes: 800, checkpointEvery: 20, ...options });
  for (let i = 0; i < count; i++) await log.append({ e: i % 7 });
  await log.close();
  return dir;
}

export async function readFiles(dir: string): Promise<Map<string, Buffer>> {
  const files = new Map<string, Buffer>();
  for (const name of (await readdir(dir)).sort()) files.set(name, await readFile(join(dir, name)));
  return files;
}

/** The records' lines without newline, by segment, in order. */
export function segmentLines(files: Map<string, Buffer>): { name: string; lines: string[] }[] {
  return [...files]
    .filter(([name]) => name.endsWith('.jsonl'))
    .map(([name, data]) => ({ name, lines: data.toString().split('\n').slice(0, -1) }));
}
