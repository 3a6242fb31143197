/** Checks the files of a log against one signed head. The writer does this before it appends, the verifier on demand. */
import type { FileHandle } from 'node:fs/promises';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { TreeHead } from './checkpoint.ts';
import { type CheckpointsFile, readCheckpoints } from './checkpoints-file.ts';
import { AuditError, type BadPlace, describePlace } from './error.ts';
import {
  CHECKPOINTS,
  firstSeqOf,
  isMissing,
  LEAVES,
  listSegments,
  openRegular,
  readFully,
  segmentName,
} from './files.ts';
import { HEAD, type Head, type Verifier } from './head.ts';
import { type LineBatch, lineBatches } from './lines.ts';
import { CompactTree, HASH_BYTES, type Hash, leafHashInPlace, toHex } from './merkle.ts';
import { parseRecord } from './record.ts';

export interface ExamineOptions {
  dir: string;
  head: Head;
  verifier: Verifier;
  /** A head known from elsewhere; the log must begin with exactly that tree. */
  expectedHead?: TreeHead | undefined;
  onTile?: (root: Hash) => void;
  signal?: AbortSignal | undefined;
}

/** Where the next record belongs. */
export interface EndPosition {
  /** Null while there is no segment. */
  segment: string | null;
  /** Lines of that segment that the head covers. */
  lines: number;
  /** Bytes of that segment that the head covers. */
  bytes: number;
}

export interface Examined {
  tree: CompactTree;
  checkpoints: CheckpointsFile;
  end: EndPosition;
  /** The leaves file is not the hashes of the (right) records. */
  badLeaves: AuditError | null;
  /** Bytes that the head does not cover. */
  surplus: AuditError | null;
}

/**
 * Checks every byte that `head` covers and says what lies behind it. Throws AuditError `corrupt`, whose `where` is the
 * first bad place: exact when one file was changed, and the span between two checkpoints when records and their leaf
 * hashes were rewritten together.
 */
export async function examine(options: ExamineOptions): Promise<Examined> {
  const { dir, head, expectedHead, verifier } = options;
  if (expectedHead && expectedHead.size > head.size)
    throw corrupt(dir, { segment: HEAD, line: 2, seq: head.size }, rolledBack(expectedHead, head.size));
  const checkpoints = await readCheckpoints(dir, head, verifier);
  const segments = await listSegments(dir);
  const leaves = await openLeaves(dir);
  try {
    const scan = new Scan(options, checkpoints.heads, leaves);
    const end = await scan.run(segments);
    return {
      tree: scan.tree,
      checkpoints,
      end,
      badLeaves: scan.badLeaves,
      surplus: await findSurplus(dir, head, segments, end, checkpoints.length),
    };
  } finally {
    await leaves?.close();
  }
}

async function openLeaves(dir: string): Promise<FileHandle | null> {
  try {
    return await openRegular(dir, LEAVES);
  } catch (error) {
    if (isMissing(error)) return null;
    throw error;
  }
}

class Scan {
  readonly tree: CompactTree;
  badLeaves: AuditError | null = null;
  readonly #options: ExamineOptions;
  readonly #leaves: FileHandle | null;
  /** Trees that were signed or sealed, by size; the head's own is the last. */
  readonly #marks: TreeHead[];
  #nextMark = 0;
  /** Root at the size of `expectedHead`. */
  #expectedRoot: Hash | undefined;
  #lastGood: BadPlace = { segment: segmentName(0), line: 1, seq: 0, byte: 0 };

  constructor(options: ExamineOptions, checkpoints: TreeHead[], leaves: FileHandle | null) {
    this.#options = options;
    this.#leaves = leaves;
    this.#marks = [...checkpoints, options.head];
    this.tree = new CompactTree(options.onTile);
    if (leaves === null)
      this.badLeaves = this.#corrupt({ segment: LEAVES, line: 0, seq: 0 }, 'the file of leaf hashes is missing');
  }

  async run(segments: string[]): Promise<EndPosition> {
    const { head, expectedHead } = this.#options;
    let end: EndPosition = { segment: null, lines: 0, bytes: 0 };
    this.#checkMarks(this.#lastGood);
    for (const segment of segments) {
      if (this.tree.size === head.size) break;
      if (firstSeqOf(segment) !== this.tree.size) throw this.#gap(end, firstSeqOf(segment));
      end = await this.#segment(segment);
    }
    if (this.tree.size < head.size) throw this.#gap(end, head.size);
    if (expectedHead && toHex(this.#expectedRoot!) !== expectedHead.root)
      throw this.#corrupt({ segment: HEAD, line: 3, seq: 0 }, otherLog(expectedHead));
    return end;
  }

  async #segment(segment: string): Promise<EndPosition> {
    const { dir, head, signal } = this.#options;
    const file = await openRegular(dir, segment);
    const firstSeq = this.tree.size;
    let bytes = 0;
    try {
      for await (const batch of lineBatches(file)) {
        signal?.throwIfAborted();
        const count = Math.min(batch.count, head.size - this.tree.size);
        const hashes = hashLines(batch, count);
        await this.#compareLeaves(hashes, segment, batch, firstSeq);
        for (let i = 0; i < count; i++) {
          this.tree.append(hashes.toString('latin1', i * HASH_BYTES, (i + 1) * HASH_BYTES));
          const line = this.tree.size - firstSeq + 1;
          this.#checkMarks({ segment, line, seq: this.tree.size, byte: batch.base + batch.ends[i]! + 1 });
        }
        if (count > 0) bytes = batch.base + batch.ends[count - 1]! + 1;
        if (this.tree.size === head.size) break;
      }
    } finally {
      await file.close();
    }
    return { segment, lines: this.tree.size - firstSeq, bytes };
  }

  /** The tree has a size that was signed: its root must be the signed one. `next` is where the following record starts. */
  #checkMarks(next: BadPlace): void {
    const { expectedHead } = this.#options;
    if (this.tree.size === expectedHead?.size) this.#expectedRoot = this.tree.root();
    for (; this.#marks[this.#nextMark]?.size === this.tree.size; this.#nextMark++) {
      if (toHex(this.tree.root()) !== this.#marks[this.#nextMark]!.root)
        throw this.#corrupt(
          this.#lastGood,
          `one of the records ${this.#lastGood.seq} to ${this.tree.size - 1} was changed together with its leaf hash, or the leaf hashes are spoilt too`,
        );
      this.#lastGood = next;
    }
  }

  /** Compares a batch with the leaves file. A difference is the record's fault when the leaves file gives the signed root. */
  async #compareLeaves(hashes: Buffer, segment: string, batch: LineBatch, firstSeq: number): Promise<void> {
    if (this.badLeaves !== null || this.#leaves === null) return;
    const stored = Buffer.alloc(hashes.length);
    const length = await readFully(this.#leaves, stored, this.tree.size * HASH_BYTES);
    if (length === stored.length && stored.equals(hashes)) return;
    let index = 0;
    while (index * HASH_BYTES < length && sameHashAt(hashes, stored, index)) index++;
    const seq = this.tree.size + index;
    if (await this.#leavesAreRight()) {
      const line = batch.buffer.subarray(batch.starts[index], batch.ends[index]);
      throw this.#corrupt(
        { segment, line: seq - firstSeq + 1, seq, byte: batch.base + batch.starts[index]! },
        whatHappened(line, seq),
      );
    }
    this.badLeaves = this.#corrupt(
      { segment: LEAVES, line: 0, seq, byte: seq * HASH_BYTES },
      `the leaf hash of record ${seq} was changed or cut off; the records are as signed`,
    );
  }

  async #leavesAreRight(): Promise<boolean> {
    const { head, signal } = this.#options;
    const tree = new CompactTree();
    const chunk = Buffer.alloc(HASH_BYTES * 8192);
    while (tree.size < head.size) {
      signal?.throwIfAborted();
      const wanted = chunk.subarray(0, Math.min(chunk.length, (head.size - tree.size) * HASH_BYTES));
      if ((await readFully(this.#leaves!, wanted, tree.size * HASH_BYTES)) < wanted.length) return false;
      for (let at = 0; at < wanted.length; at += HASH_BYTES)
        tree.append(wanted.toString('latin1', at, at + HASH_BYTES));
    }
    return toHex(tree.root()) === head.root;
  }

  /** Records from the tree's size up to `until` are not where they belong. */
  #gap(end: EndPosition, until: number): AuditError {
    const seq = this.tree.size;
    if (until < seq)
      return this.#corrupt({ segment: segmentName(until), line: 1, seq: until }, 'two segments hold the same records');
    const span = until - seq === 1 ? `record ${seq} is` : `records ${seq} to ${until - 1} are`;
    if (end.segment === null) return this.#corrupt({ segment: segmentName(seq), line: 1, seq }, `${span} missing`);
    return this.#corrupt(
      { segment: end.segment, line: end.lines + 1, seq, byte: end.bytes },
      `${span} missing behind this place: the file was cut, or the next one (${segmentName(seq)}) deleted`,
    );
  }

  #corrupt(where: BadPlace, reason: string): AuditError {
    return corrupt(this.#options.dir, where, reason);
  }
}

function hashLines(batch: LineBatch, count: number): Buffer {
  const hashes = Buffer.allocUnsafe(count * HASH_BYTES);
  for (let i = 0; i < count; i++) {
    const leaf = leafHashInPlace(batch.buffer, batch.starts[i]!, batch.ends[i]!);
    hashes.write(leaf, i * HASH_BYTES, HASH_BYTES, 'latin1');
  }
  return hashes;
}

function sameHashAt(a: Buffer, b: Buffer, index: number): boolean {
  const from = index * HASH_BYTES;
  return a.compare(b, from, from + HASH_BYTES, from, from + HASH_BYTES) === 0;
}

function whatHappened(line: Buffer, seq: number): string {
  const record = parseRecord(line);
  if (record === null) return `record ${seq} was changed: the line is no record`;
  if (record.seq !== seq)
    return `record ${record.seq} lies where record ${seq} belongs: records were dropped, swapped or repeated`;
  return `record ${seq} was changed: its hash is not the one that was signed`;
}

async function findSurplus(
  dir: string,
  head: Head,
  segments: string[],
  end: EndPosition,
  checkpointsLength: number,
): Promise<AuditError | null> {
  const seq = head.size;
  const reason = 'there are bytes that no head has signed';
  if (end.segment !== null && (await sizeOf(dir, end.segment)) > end.bytes)
    return corrupt(dir, { segment: end.segment, line: end.lines + 1, seq, byte: end.bytes }, reason);
  const extra = segments[end.segment === null ? 0 : segments.indexOf(end.segment) + 1];
  if (extra !== undefined) return corrupt(dir, { segment: extra, line: 1, seq, byte: 0 }, reason);
  if ((await sizeOf(dir, LEAVES)) > seq * HASH_BYTES)
    return corrupt(dir, { segment: LEAVES, line: 0, seq, byte: seq * HASH_BYTES }, reason);
  if (checkpointsLength > head.checkpointBytes)
    return corrupt(dir, { segment: CHECKPOINTS, line: 0, seq, byte: head.checkpointBytes }, reason);
  return null;
}

async function sizeOf(dir: string, name: string): Promise<number> {
  try {
    return (await stat(join(dir, name))).size;
  } catch (error) {
    if (isMissing(error)) return 0;
    throw error;
  }
}

function rolledBack(expected: TreeHead, size: number): string {
  return `the log was put back to an older state: ${expected.size} records are known from outside, ${size} are here`;
}

function otherLog(expected: TreeHead): string {
  return `this is not the log known from outside: its first ${expected.size} records have another root`;
}

function corrupt(dir: string, where: BadPlace, reason: string): AuditError {
  return new AuditError(
    'corrupt',
    `the audit log in ${dir} is not what was signed, ${describePlace(where)}: ${reason}`,
    {
      where,
    },
  );
}
