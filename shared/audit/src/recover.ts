/** Bringing a log into a state in which it can be written: whole, signed, nothing behind the head. */
import { open, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { syncDir } from '@secai/files';
import type { TreeHead } from './checkpoint.ts';
import { AuditError } from './error.ts';
import { type Examined, examine } from './examine.ts';
import {
  CHECKPOINTS,
  firstSeqOf,
  isMissing,
  LEAVES,
  listSegments,
  openRegular,
  readPrefix,
  segmentName,
} from './files.ts';
import { candidateHeads, digestOf, type Head, readHeads, replaceHeads, type Signer } from './head.ts';
import { lineBatches } from './lines.ts';
import { EMPTY_ROOT, HASH_BYTES, type Hash, leafHashInPlace, toHex } from './merkle.ts';
import { MAX_LINE_BYTES, parseRecord } from './record.ts';

/** Most bytes of records in one group commit, and so the most that a crash leaves behind the head. */
export const MAX_GROUP_BYTES = 2 * MAX_LINE_BYTES;

/** What opening had to mend. All zero after a clean close. */
export interface Recovery {
  /** Bytes of records that were written but never acknowledged, and are dropped. */
  droppedBytes: number;
  /** True when the leaf hashes were derived again from the (verified) records. */
  leavesRebuilt: boolean;
}

export interface RecoverOptions {
  dir: string;
  signer: Signer;
  expectedHead?: TreeHead | undefined;
  mustExist: boolean;
  signal?: AbortSignal | undefined;
}

export interface Recovered {
  head: Head;
  examined: Examined;
  /** Roots of all full tiles, in order. */
  tiles: Hash[];
  recovery: Recovery;
}

/** Opens what is there, or makes an empty log. Throws AuditError `corrupt` or `missing`; then nothing was changed. */
export async function recover(options: RecoverOptions): Promise<Recovered> {
  const { dir, signer } = options;
  const verifier = { origin: signer.origin, publicKey: signer.key.publicKey };
  let heads = await readHeads(dir, verifier);
  if (heads.every((read) => 'missing' in read && read.missing)) {
    await create(options);
    heads = await readHeads(dir, verifier);
  }
  let firstError: unknown;
  for (const head of candidateHeads(heads)) {
    try {
      return await settle(options, head);
    } catch (error) {
      if (!(error instanceof AuditError)) throw error;
      firstError ??= error;
    }
  }
  throw firstError;
}

async function create({ dir, signer, expectedHead, mustExist }: RecoverOptions): Promise<void> {
  const names = await readdir(dir);
  if (names.some((name) => name.endsWith('.jsonl') || name === CHECKPOINTS || name === LEAVES))
    throw new AuditError('corrupt', `the audit log in ${dir} has lost both signed heads; put them back from a backup`, {
      where: { segment: 'head', line: 1, seq: 0 },
    });
  if (mustExist || (expectedHead && expectedHead.size > 0))
    throw new AuditError(
      'missing',
      `there is no audit log in ${dir}, but there was one: it was deleted or not mounted`,
    );
  const root = toHex(EMPTY_ROOT);
  const head: Head = { size: 0, root, checkpointBytes: 0, checkpointDigest: digestOf(new Uint8Array()), state: 'open' };
  await replaceHeads(dir, head, signer);
}

async function settle(options: RecoverOptions, head: Head): Promise<Recovered> {
  const { dir, signer, expectedHead, signal } = options;
  const verifier = { origin: signer.origin, publicKey: signer.key.publicKey };
  const tiles: Hash[] = [];
  // An empty log may have been made a moment before a crash, without its other files.
  if (head.size === 0 && head.state === 'open') await ensureFiles(dir);
  const examined = await examine({ dir, head, verifier, expectedHead, signal, onTile: (root) => tiles.push(root) });
  // After a clean close there is nothing that a crash could explain.
  const problem = examined.surplus ?? examined.badLeaves;
  if (head.state === 'closed' && problem !== null) throw problem;
  const droppedBytes = examined.surplus === null ? 0 : await dropSurplus(dir, head, examined, examined.surplus);
  const leavesRebuilt = examined.badLeaves !== null;
  if (leavesRebuilt) await rebuildLeaves(dir, head.size);
  return { head, examined, tiles, recovery: { droppedBytes, leavesRebuilt } };
}

async function ensureFiles(dir: string): Promise<void> {
  for (const name of [LEAVES, CHECKPOINTS]) {
    await (await open(join(dir, name), 'a', 0o600)).close();
  }
  await syncDir(dir);
}

/** Cuts off what no head covers, if it is what a crash leaves: the group that was being written. */
async function dropSurplus(
  dir: string,
  head: Head,
  { end, checkpoints }: Examined,
  surplus: AuditError,
): Promise<number> {
  const segments = await listSegments(dir);
  const later = segments.filter((name) => firstSeqOf(name) >= head.size && name !== end.segment);
  if (later.length > 1 || (later[0] !== undefined && later[0] !== segmentName(head.size))) throw surplus;
  let dropped = 0;
  if (end.segment !== null) dropped += await checkResidue(dir, end.segment, end.bytes, head.size, surplus);
  if (later[0] !== undefined) dropped += await checkResidue(dir, later[0], 0, head.size, surplus);
  if (end.segment !== null) await cut(dir, end.segment, end.bytes);
  if (later[0] !== undefined) await rm(join(dir, later[0]));
  await cut(dir, LEAVES, head.size * HASH_BYTES);
  if (checkpoints.length > head.checkpointBytes) await cut(dir, CHECKPOINTS, head.checkpointBytes);
  await syncDir(dir);
  return dropped;
}

/** How many bytes lie behind `from`; throws `surplus` when they are records that no writer would have put there. */
async function checkResidue(
  dir: string,
  segment: string,
  from: number,
  seq: number,
  surplus: AuditError,
): Promise<number> {
  const { data, length } = await readPrefix(dir, segment, from + MAX_GROUP_BYTES);
  if (length - from > MAX_GROUP_BYTES) throw surplus;
  let start = from;
  for (let expected = seq; ; expected++) {
    const end = data.indexOf(0x0a, start);
    const record = end === -1 ? null : parseRecord(data.subarray(start, end));
    if (record === null) return length - from;
    if (record.seq !== expected) throw surplus;
    start = end + 1;
  }
}

async function cut(dir: string, name: string, length: number): Promise<void> {
  const path = join(dir, name);
  try {
    const file = await open(path, 'r+');
    try {
      if ((await file.stat()).size > length) {
        await file.truncate(length);
        await file.sync();
      }
    } finally {
      await file.close();
    }
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
}

async function rebuildLeaves(dir: string, size: number): Promise<void> {
  const temporary = join(dir, `${LEAVES}.new`);
  const output = await open(temporary, 'w', 0o600);
  try {
    let left = size;
    for (const segment of await listSegments(dir)) {
      const file = await openRegular(dir, segment);
      try {
        for await (const { buffer, starts, ends, count } of lineBatches(file)) {
          const hashes: Hash[] = [];
          for (let i = 0; i < count && left > 0; i++, left--)
            hashes.push(leafHashInPlace(buffer, starts[i]!, ends[i]!));
          await output.appendFile(Buffer.from(hashes.join(''), 'latin1'));
        }
      } finally {
        await file.close();
      }
    }
    await output.sync();
  } finally {
    await output.close();
  }
  await rename(temporary, join(dir, LEAVES));
  await syncDir(dir);
}

/** Removes what an interrupted writeDurable or rebuild left. */
export async function removeLeftovers(dir: string): Promise<void> {
  for (const name of await readdir(dir)) {
    if (/^\.[0-9a-f]{12}\.tmp$/.test(name) || name === `${LEAVES}.new`) await rm(join(dir, name), { force: true });
  }
}
