/** The files of a log's folder, and how they are opened. */
import { constants } from 'node:fs';
import { type FileHandle, open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { AuditError } from './error.ts';

/** Leaf hashes of all records, 32 bytes each: finds the bad record, and serves proofs. Derived from the segments. */
export const LEAVES = 'leaves';
/** Signed checkpoints, one after the other. */
export const CHECKPOINTS = 'checkpoints';

const SEGMENT = /^\d{12}\.jsonl$/;

/** A segment is named by its first record. */
export function segmentName(firstSeq: number): string {
  return `${String(firstSeq).padStart(12, '0')}.jsonl`;
}

export function firstSeqOf(segment: string): number {
  return Number.parseInt(segment, 10);
}

/** Names of the segments, in order; every name that ends in `.jsonl` counts, so that a stray one is noticed. */
export async function listSegments(dir: string): Promise<string[]> {
  const names = (await readdir(dir)).filter((name) => name.endsWith('.jsonl')).sort();
  const stray = names.find((name) => !SEGMENT.test(name));
  if (stray !== undefined)
    throw new AuditError('corrupt', `${join(dir, stray)} is not a segment of this log`, {
      where: { segment: stray, line: 0, seq: 0 },
    });
  return names;
}

/** Opens a file for reading; refuses links, devices and pipes, which a log never holds. */
export async function openRegular(dir: string, name: string): Promise<FileHandle> {
  let handle: FileHandle;
  try {
    // O_NONBLOCK: a pipe put in the file's place must not hold the verifier up.
    handle = await open(join(dir, name), constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw code === 'ELOOP' || code === 'ENXIO' ? notRegular(dir, name) : error;
  }
  if ((await handle.stat()).isFile()) return handle;
  await handle.close();
  throw notRegular(dir, name);
}

function notRegular(dir: string, name: string): AuditError {
  return new AuditError('corrupt', `${join(dir, name)} is not a regular file`, {
    where: { segment: name, line: 0, seq: 0 },
  });
}

/** The first `limit` bytes of a file of the log, and how long it is. Throws as openRegular. */
export async function readPrefix(dir: string, name: string, limit: number): Promise<{ data: Buffer; length: number }> {
  const handle = await openRegular(dir, name);
  try {
    const { size: length } = await handle.stat();
    const data = Buffer.alloc(Math.min(limit, length));
    const filled = await readFully(handle, data, 0);
    return { data: data.subarray(0, filled), length };
  } finally {
    await handle.close();
  }
}

/** Fills `target` from `position`; returns how many bytes there were. */
export async function readFully(handle: FileHandle, target: Buffer, position: number): Promise<number> {
  let filled = 0;
  while (filled < target.length) {
    const { bytesRead } = await handle.read(target, filled, target.length - filled, position + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return filled;
}

export function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ENOENT';
}
