/**
 * The head: a signed checkpoint of everything acknowledged, kept twice (`head`, `head.copy`).
 *
 * Each group commit overwrites `head` together with the records, then `head.copy`, and acknowledges only after both
 * are synced. So a crash leaves at least one whole head, that one covers every acknowledged record, and a head that is
 * ahead of its copy covers records nobody was told about. A clean close writes both atomically with `state closed`,
 * after which no excuse is left for any difference.
 */
import { hash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { writeDurable } from '@secai/files';
import type { SigningKey } from '@secai/signing';
import { signCheckpoint, type TreeHead, verifyCheckpoint } from './checkpoint.ts';
import { AuditError } from './error.ts';
import { isMissing, readPrefix } from './files.ts';

export const HEAD = 'head';
export const HEAD_COPY = 'head.copy';
const MAX_HEAD_BYTES = 4096;

export interface Head extends TreeHead {
  /** How many bytes of the checkpoints file belong to this head. */
  checkpointBytes: number;
  /** SHA-256 of those bytes, hex. */
  checkpointDigest: string;
  /** `open` while a writer may be at work, or after it was killed. */
  state: 'open' | 'closed';
}

export interface Signer {
  origin: string;
  key: SigningKey;
}

export interface Verifier {
  origin: string;
  publicKey: Uint8Array;
}

export function signHead(head: Head, signer: Signer): string {
  return signCheckpoint(head, signer.origin, signer.key, [
    `checkpoints ${head.checkpointBytes} ${head.checkpointDigest}`,
    `state ${head.state}`,
  ]);
}

function parseHead(note: string, verifier: Verifier): Head {
  const { size, root, extensions } = verifyCheckpoint(note, verifier);
  const match = /^checkpoints (\d{1,15}) ([0-9a-f]{64})\nstate (open|closed)$/.exec(extensions.join('\n'));
  if (match === null) throw new AuditError('bad_proof', 'the note is signed, but it is not a head of an audit log');
  return {
    size,
    root,
    checkpointBytes: Number(match[1]),
    checkpointDigest: match[2]!,
    state: match[3] as Head['state'],
  };
}

export type HeadRead = { name: string; head: Head } | { name: string; error: AuditError; missing: boolean };

/** Both heads as they are on disk. */
export async function readHeads(dir: string, verifier: Verifier): Promise<[HeadRead, HeadRead]> {
  // The copy first: beside a writer, the head then read is the same or newer.
  const copy = await readHead(dir, HEAD_COPY, verifier);
  return [await readHead(dir, HEAD, verifier), copy];
}

async function readHead(dir: string, name: string, verifier: Verifier): Promise<HeadRead> {
  const place = { segment: name, line: 1, seq: 0 };
  try {
    const { data } = await readPrefix(dir, name, MAX_HEAD_BYTES);
    return { name, head: parseHead(data.toString(), verifier) };
  } catch (error) {
    const missing = isMissing(error);
    const why = missing ? 'it is missing' : (error as Error).message;
    const refusal = new AuditError('corrupt', `the signed head ${join(dir, name)} is refused: ${why}`, {
      where: place,
      cause: error,
    });
    return { name, error: refusal, missing };
  }
}

/**
 * Which heads may stand, the newest first: one when both agree, two when a crash came between them.
 * Throws AuditError `corrupt` for what no crash explains.
 */
export function candidateHeads([first, second]: [HeadRead, HeadRead]): Head[] {
  if ('error' in first) {
    // A closed log has two whole heads; only a crash in the middle of overwriting one spoils it.
    if ('error' in second || second.head.state === 'closed') throw first.error;
    return [second.head];
  }
  if ('error' in second) {
    if (first.head.state === 'closed') throw second.error;
    return [first.head];
  }
  const [newer, older] = [first.head, second.head];
  if (sameContent(newer, older)) {
    // Opening and closing change nothing but the state, so a crash between the two writes left no records either.
    return [{ ...newer, state: newer.state === older.state ? newer.state : 'closed' }];
  }
  const grew = newer.size > older.size || (newer.size === older.size && newer.root === older.root);
  if (grew && newer.checkpointBytes >= older.checkpointBytes && newer.state === 'open' && older.state === 'open')
    return [newer, older];
  throw new AuditError(
    'corrupt',
    `${HEAD} and ${HEAD_COPY} contradict each other: one was put back from an older log`,
    {
      where: { segment: HEAD, line: 2, seq: Math.min(newer.size, older.size) },
    },
  );
}

function sameContent(a: Head, b: Head): boolean {
  return a.size === b.size && a.root === b.root && a.checkpointDigest === b.checkpointDigest;
}

/** Writes both heads whole, whatever is there. */
export async function replaceHeads(dir: string, head: Head, signer: Signer): Promise<void> {
  const note = signHead(head, signer);
  await writeDurable(join(dir, HEAD), note);
  await writeDurable(join(dir, HEAD_COPY), note);
}

/** Overwrites the two heads in place. Sizes only grow between two replaceHeads, so a note never leaves a tail behind. */
export class HeadWriter {
  readonly #head: FileHandle;
  readonly #copy: FileHandle;

  private constructor(head: FileHandle, copy: FileHandle) {
    this.#head = head;
    this.#copy = copy;
  }

  static async open(dir: string): Promise<HeadWriter> {
    const head = await open(join(dir, HEAD), 'r+');
    try {
      return new HeadWriter(head, await open(join(dir, HEAD_COPY), 'r+'));
    } catch (error) {
      await head.close();
      throw error;
    }
  }

  /** Writes the first head without syncing it. */
  async write(note: Buffer): Promise<void> {
    await writeWhole(this.#head, note);
  }

  async sync(): Promise<void> {
    await this.#head.datasync();
  }

  /** Writes and syncs the second head. */
  async writeCopy(note: Buffer): Promise<void> {
    await writeWhole(this.#copy, note);
    await this.#copy.datasync();
  }

  async close(): Promise<void> {
    await Promise.all([this.#head.close(), this.#copy.close()]);
  }
}

async function writeWhole(handle: FileHandle, note: Buffer): Promise<void> {
  const { bytesWritten } = await handle.write(note, 0, note.length, 0);
  if (bytesWritten !== note.length)
    throw new Error(`only ${bytesWritten} of ${note.length} bytes of the head were written`);
}

export function digestOf(checkpoints: Uint8Array): string {
  return hash('sha256', checkpoints, 'hex');
}
