import { setTimeout as delay } from 'node:timers/promises';
import type { TreeHead } from './checkpoint.ts';
import { AuditError, type BadPlace } from './error.ts';
import { examine } from './examine.ts';
import { candidateHeads, type HeadRead, readHeads, type Verifier } from './head.ts';
import { checkName } from './note.ts';

/** How long bytes that no head covers may be a group commit under way. */
const DEFAULT_SETTLE_MS = 1000;
const POLL_MS = 20;

export interface VerifyOptions {
  dir: string;
  /** Raw 32-byte Ed25519 key of the log. */
  publicKey: Uint8Array;
  /** The log's name, part of what is signed. */
  origin: string;
  /** A head kept outside the folder (TPM, paper, another machine): the log must begin with that tree. */
  expectedHead?: TreeHead;
  /** How long to wait for a writer at work to sign what it has written, in ms; default 1000. */
  settleMs?: number;
  signal?: AbortSignal;
}

export type VerifyResult =
  | ({ ok: true; checkpoints: number } & TreeHead)
  | { ok: false; where: BadPlace; reason: string };

/**
 * Checks a log on disk: both signed heads, every checkpoint, every byte of every record. Reads only, needs no lock, and
 * may run beside the writer: it then vouches for the head that it found. Without `expectedHead` a log put back as a
 * whole from an older copy looks genuine. Throws only for what is not the log's fault (no permission, aborted, bad options).
 */
export async function verifyAuditLog(options: VerifyOptions): Promise<VerifyResult> {
  const { dir, origin, publicKey, settleMs = DEFAULT_SETTLE_MS } = options;
  checkName(origin);
  const verifier: Verifier = { origin, publicKey };
  for (;;) {
    const heads = await readHeads(dir, verifier);
    const found = await attempt(options, verifier, heads);
    if (found.ok) return found.result;
    // What looks wrong may be a writer's next commit. Then the heads move on; otherwise the finding stands.
    const moved = mayBeLive(heads) && (await movedHeads(dir, verifier, heads, settleMs, options.signal));
    if (!moved) return { ok: false, where: found.error.where!, reason: found.error.message };
    const [next] = moved;
    if (found.vouched && 'head' in next && next.head.size > found.vouched.size) return found.vouched;
  }
}

interface Vouched extends TreeHead {
  ok: true;
  checkpoints: number;
}

type Attempt =
  | { ok: true; result: Vouched }
  /** `vouched`: all that the head covers is right; only what lies behind it is in doubt. */
  | { ok: false; error: AuditError; vouched?: Vouched };

async function attempt(options: VerifyOptions, verifier: Verifier, heads: [HeadRead, HeadRead]): Promise<Attempt> {
  const { dir, expectedHead, signal } = options;
  try {
    const spoilt = heads.find((read) => 'error' in read);
    const [head] = candidateHeads(heads);
    if (spoilt && 'error' in spoilt) throw spoilt.error;
    const { badLeaves, surplus, checkpoints } = await examine({ dir, head: head!, verifier, expectedHead, signal });
    if (badLeaves !== null) throw badLeaves;
    const result = { ok: true, size: head!.size, root: head!.root, checkpoints: checkpoints.heads.length } as const;
    return surplus === null ? { ok: true, result } : { ok: false, error: surplus, vouched: result };
  } catch (error) {
    if (error instanceof AuditError && error.where !== undefined) return { ok: false, error };
    throw error;
  }
}

function mayBeLive(heads: [HeadRead, HeadRead]): boolean {
  return heads.some((read) => 'head' in read && read.head.state === 'open');
}

/** The heads once they differ from `before`; null when they stay as they are for `settleMs`. */
async function movedHeads(
  dir: string,
  verifier: Verifier,
  before: [HeadRead, HeadRead],
  settleMs: number,
  signal: AbortSignal | undefined,
): Promise<[HeadRead, HeadRead] | null> {
  for (let waited = 0; ; waited += POLL_MS) {
    const heads = await readHeads(dir, verifier);
    if (shape(heads) !== shape(before)) return heads;
    if (waited >= settleMs) return null;
    await delay(POLL_MS, undefined, { signal });
  }
}

function shape(heads: [HeadRead, HeadRead]): string {
  return JSON.stringify(heads.map((read) => ('head' in read ? read.head : null)));
}
