/** The writer: one process, group commit, nothing acknowledged before it is on disk and signed. */
import { createHash, type Hash as Hasher } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { ensureDir, syncDir } from '@secai/files';
import type { SigningKey } from '@secai/signing';
import { signCheckpoint, type TreeHead } from './checkpoint.ts';
import { AuditError } from './error.ts';
import { CHECKPOINTS, LEAVES, segmentName } from './files.ts';
import { type Head, HeadWriter, replaceHeads, type Signer, signHead } from './head.ts';
import { lockLog, type Unlock } from './lock.ts';
import { type CompactTree, leafHash, toHex } from './merkle.ts';
import { checkName } from './note.ts';
import { consistencyPath, inclusionPath } from './proofs.ts';
import { MAX_LINE_BYTES, recordLine } from './record.ts';
import { type Recovered, type Recovery, recover, removeLeftovers } from './recover.ts';
import { SubtreeReader } from './subtrees.ts';

const DEFAULT_CHECKPOINT_EVERY = 1024;
const DEFAULT_SEGMENT_BYTES = 16 * 1024 * 1024;

export interface AuditLogOptions {
  /** The log's folder; made (mode 0700) when missing. */
  dir: string;
  /** The log's name in its signatures, such as `quarantine.secai.local`: visible ASCII without spaces or `+`. */
  origin: string;
  key: SigningKey;
  /** Wall clock in ms since the epoch. */
  now: () => number;
  /** How many records may lie between two checkpoints; default 1024. Smaller names a rewritten place more closely. */
  checkpointEvery?: number;
  /** A new segment is begun before one grows beyond this many bytes; default 16 MiB. */
  segmentBytes?: number;
  /** A head kept outside the folder: opening is refused unless the log begins with that tree. */
  expectedHead?: TreeHead;
  /** Refuse to begin a new log when the folder holds none; default false. */
  mustExist?: boolean;
  /**
   * Told the newest durable head on opening and after group commits (close waits for it), for a TPM or another keeper. One call at a time; heads
   * that come up meanwhile are skipped for the newest. A rejection fails the log, as a full disk does.
   */
  onHead?: (head: TreeHead) => void | Promise<void>;
  /** Cancels opening. */
  signal?: AbortSignal;
}

export interface Appended {
  seq: number;
  /** RFC 6962 leaf hash of the record's line, hex. */
  leafHash: string;
}

interface PendingRecord {
  line: string;
  bytes: number;
  seq: number;
  resolve: (appended: Appended) => void;
  reject: (error: unknown) => void;
}

interface PendingCheckpoint {
  resolve: (note: string) => void;
  reject: (error: unknown) => void;
}

/**
 * Opens the log in `dir` for writing after checking every byte of it. What a crash left behind the last acknowledged
 * record is dropped (see `recovery`); anything else that is not as signed throws AuditError `corrupt` with the place.
 * Further codes: `locked`, `missing`, `bad_option`.
 */
export async function openAuditLog(options: AuditLogOptions): Promise<AuditLog> {
  checkName(options.origin);
  await ensureDir(options.dir);
  const unlock = await lockLog(options.dir);
  try {
    return await AuditLog.open(options, unlock);
  } catch (error) {
    await unlock();
    throw error;
  }
}

export class AuditLog {
  /** What opening had to mend. */
  readonly recovery: Recovery;
  readonly #dir: string;
  readonly #signer: Signer;
  readonly #now: () => number;
  readonly #checkpointEvery: number;
  readonly #segmentBytes: number;
  readonly #onHead: AuditLogOptions['onHead'];
  readonly #unlock: Unlock;
  readonly #heads: HeadWriter;
  readonly #leaves: FileHandle;
  readonly #checkpoints: FileHandle;
  readonly #tree: CompactTree;
  readonly #subtrees: SubtreeReader;
  #segment: { file: FileHandle; bytes: number } | null;
  /** Over the checkpoints file. */
  readonly #checkpointHasher: Hasher;
  #checkpointBytes: number;
  #checkpointDigest: string;
  #lastCheckpoint: { size: number; note: string } | null;
  /** The newest durable head. */
  #head: Head;
  #nextSeq: number;
  #queue: PendingRecord[] = [];
  #checkpointQueue: PendingCheckpoint[] = [];
  #working: Promise<void> | null = null;
  #announcing: Promise<void> | null = null;
  #failure: AuditError | null = null;
  #closing: Promise<void> | null = null;

  private constructor(
    options: AuditLogOptions,
    { head, examined, tiles, recovery }: Recovered,
    unlock: Unlock,
    files: { heads: HeadWriter; leaves: FileHandle; checkpoints: FileHandle; segment: FileHandle | null },
    signer: Signer,
  ) {
    this.#dir = options.dir;
    this.#signer = signer;
    this.#now = options.now;
    this.#checkpointEvery = options.checkpointEvery ?? DEFAULT_CHECKPOINT_EVERY;
    this.#segmentBytes = options.segmentBytes ?? DEFAULT_SEGMENT_BYTES;
    this.#onHead = options.onHead;
    this.#unlock = unlock;
    this.#heads = files.heads;
    this.#leaves = files.leaves;
    this.#checkpoints = files.checkpoints;
    this.#segment = files.segment && { file: files.segment, bytes: examined.end.bytes };
    this.#tree = examined.tree;
    this.#subtrees = new SubtreeReader(files.leaves, tiles);
    const { data, newest, heads } = examined.checkpoints;
    this.#checkpointHasher = createHash('sha256').update(data);
    this.#checkpointBytes = data.length;
    this.#checkpointDigest = head.checkpointDigest;
    this.#lastCheckpoint = newest === undefined ? null : { size: heads.at(-1)!.size, note: newest };
    this.#head = head;
    this.#nextSeq = head.size;
    this.recovery = recovery;
  }

  /** Use openAuditLog, which also takes the lock. */
  static async open(options: AuditLogOptions, unlock: Unlock): Promise<AuditLog> {
    const { dir, expectedHead, mustExist = false, signal } = options;
    const signer = { origin: options.origin, key: options.key };
    await removeLeftovers(dir);
    const recovered = await recover({ dir, signer, expectedHead, mustExist, signal });
    signal?.throwIfAborted();
    recovered.head = { ...recovered.head, state: 'open' };
    await replaceHeads(dir, recovered.head, signer);
    const { segment } = recovered.examined.end;
    const opened: { close(): Promise<void> }[] = [];
    const keep = <T extends { close(): Promise<void> }>(file: T): T => {
      opened.push(file);
      return file;
    };
    try {
      const files = {
        heads: keep(await HeadWriter.open(dir)),
        leaves: keep(await open(join(dir, LEAVES), 'a+')),
        checkpoints: keep(await open(join(dir, CHECKPOINTS), 'a')),
        segment: segment === null ? null : keep(await open(join(dir, segment), 'a')),
      };
      const log = new AuditLog(options, recovered, unlock, files, signer);
      // A crash may have come between the head and its keeper.
      log.#announce();
      return log;
    } catch (error) {
      await Promise.all(opened.map((file) => file.close()));
      throw error;
    }
  }

  /** The newest durable tree: everything acknowledged, nothing else. */
  head(): TreeHead {
    return { size: this.#head.size, root: this.#head.root };
  }

  /**
   * Records an event. Resolves once the record is synced to disk and covered by the signed head; everything that waits
   * is written and synced together. Rejects with AuditError: `bad_event` (the log goes on), `failed` (nothing more is
   * accepted until the log is opened again; the record may or may not turn out to be in it), `closed`.
   */
  append(event: Record<string, unknown>): Promise<Appended> {
    return new Promise((resolve, reject) => {
      this.#checkUsable();
      const line = recordLine(event, this.#nextSeq, this.#now());
      this.#queue.push({ line, bytes: Buffer.byteLength(line) + 1, seq: this.#nextSeq, resolve, reject });
      this.#nextSeq++;
      this.#start();
    });
  }

  /** A signed checkpoint (C2SP tlog-checkpoint) of everything appended before; it is kept in the log too. Rejects as append. */
  checkpoint(): Promise<string> {
    return new Promise((resolve, reject) => {
      this.#checkUsable();
      this.#checkpointQueue.push({ resolve, reject });
      this.#start();
    });
  }

  /** Proof that record `seq` is in the durable tree of `size` records (default: all); see verifyInclusion. */
  async inclusionProof(seq: number, size: number = this.#head.size): Promise<{ size: number; proof: string[] }> {
    this.#checkSize(size);
    if (!Number.isSafeInteger(seq) || seq < 0 || seq >= size)
      throw new RangeError(`record ${seq} is not among the first ${size}`);
    const path = await inclusionPath(seq, size, (start, end) => this.#subtrees.hash(start, end));
    return { size, proof: path.map(toHex) };
  }

  /** Proof that the tree of `size2` records (default: all durable ones) extends that of `size1`; see verifyConsistency. */
  async consistencyProof(size1: number, size2: number = this.#head.size): Promise<string[]> {
    this.#checkSize(size1);
    this.#checkSize(size2);
    if (size1 > size2) throw new RangeError(`a tree of ${size2} records cannot extend one of ${size1}`);
    const path = await consistencyPath(size1, size2, (start, end) => this.#subtrees.hash(start, end));
    return path.map(toHex);
  }

  /** Waits for what was appended, signs the closed state and lets go of the files. After a failure it only lets go. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #checkUsable(): void {
    if (this.#failure !== null) throw this.#failure;
    if (this.#closing !== null) throw new AuditError('closed', `the audit log in ${this.#dir} is closed`);
  }

  #checkSize(size: number): void {
    if (!Number.isSafeInteger(size) || size < 0 || size > this.#head.size)
      throw new RangeError(`the log has ${this.#head.size} durable records, not ${size}`);
  }

  #start(): void {
    this.#working ??= this.#work();
  }

  async #work(): Promise<void> {
    // Appends of the same turn of the event loop share the first group.
    await Promise.resolve();
    while (this.#queue.length > 0 || this.#checkpointQueue.length > 0) {
      const group = this.#takeGroup();
      // Checkpoints that were asked for cover all that was appended before, so they wait for the last group.
      const asked = this.#queue.length === 0 ? this.#checkpointQueue.splice(0) : [];
      try {
        const appended = await this.#commit(group, asked.length > 0);
        group.forEach((record, i) => {
          record.resolve(appended[i]!);
        });
        for (const { resolve } of asked) resolve(this.#lastCheckpoint!.note);
        this.#announce();
      } catch (error) {
        this.#fail(error, [...group, ...asked]);
      }
    }
    // In the same turn as the last look at the queues, so that no append is left waiting.
    this.#working = null;
  }

  /** As many waiting records as fit the segment and a group, at least one if there are any. */
  #takeGroup(): PendingRecord[] {
    const room = this.#segmentBytes - (this.#segment?.bytes ?? 0);
    const first = this.#queue[0]?.bytes ?? 0;
    const limit = Math.min(MAX_LINE_BYTES, first > room ? this.#segmentBytes : room);
    let bytes = 0;
    let count = 0;
    for (const record of this.#queue) {
      bytes += record.bytes;
      if (count > 0 && bytes > limit) break;
      count++;
    }
    return this.#queue.splice(0, count);
  }

  async #commit(group: PendingRecord[], checkpointAsked: boolean): Promise<Appended[]> {
    const leaves = group.map((record) => leafHash(record.line));
    for (const leaf of leaves) this.#tree.append(leaf);
    const tree = { size: this.#tree.size, root: toHex(this.#tree.root()) };
    // Writes come before the head's, so that a reader beside us never sees a head that is ahead of the records.
    const [segment] = await Promise.all([
      group.length > 0 ? this.#writeRecords(group) : null,
      this.#leaves.appendFile(Buffer.from(leaves.join(''), 'latin1')),
    ]);
    const checkpointed = await this.#writeCheckpoint(tree, checkpointAsked);
    const head: Head = {
      ...tree,
      checkpointBytes: this.#checkpointBytes,
      checkpointDigest: this.#checkpointDigest,
      state: 'open',
    };
    const note = Buffer.from(signHead(head, this.#signer));
    await this.#heads.write(note);
    await Promise.all([
      segment?.file.datasync(),
      segment?.isNew ? syncDir(this.#dir) : null,
      checkpointed ? this.#checkpoints.datasync() : null,
      this.#heads.sync(),
    ]);
    await this.#heads.writeCopy(note);
    this.#head = head;
    return group.map(({ seq }, i) => ({ seq, leafHash: toHex(leaves[i]!) }));
  }

  async #writeRecords(group: PendingRecord[]): Promise<{ file: FileHandle; isNew: boolean }> {
    const data = Buffer.from(group.map((record) => `${record.line}\n`).join(''));
    const isNew = this.#segment === null || this.#segment.bytes + data.length > this.#segmentBytes;
    if (isNew) {
      await this.#segment?.file.close();
      this.#segment = null;
      this.#segment = { file: await open(join(this.#dir, segmentName(group[0]!.seq)), 'ax', 0o600), bytes: 0 };
    }
    const segment = this.#segment!;
    await segment.file.appendFile(data);
    segment.bytes += data.length;
    return { file: segment.file, isNew };
  }

  /** Appends a checkpoint when one is due or asked for; true when it wrote. */
  async #writeCheckpoint(tree: TreeHead, asked: boolean): Promise<boolean> {
    const lastSize = this.#lastCheckpoint?.size;
    const due = tree.size - (lastSize ?? 0) >= this.#checkpointEvery;
    if (tree.size === lastSize || !(due || asked)) return false;
    const note = signCheckpoint(tree, this.#signer.origin, this.#signer.key);
    await this.#checkpoints.appendFile(note);
    this.#checkpointBytes += Buffer.byteLength(note);
    this.#checkpointDigest = this.#checkpointHasher.update(note).copy().digest('hex');
    this.#lastCheckpoint = { size: tree.size, note };
    return true;
  }

  #announce(): void {
    if (this.#onHead === undefined || this.#announcing !== null) return;
    this.#announcing = this.#announceNewest();
  }

  async #announceNewest(): Promise<void> {
    await Promise.resolve();
    let told: Head | null = null;
    try {
      while (told !== this.#head) {
        told = this.#head;
        await this.#onHead!({ size: told.size, root: told.root });
      }
    } catch (error) {
      this.#fail(error, []);
    }
    this.#announcing = null;
  }

  /** Fails closed: nobody who waits is told that a record is safe, and nobody can add another. */
  #fail(cause: unknown, waiting: { reject: (error: unknown) => void }[]): void {
    this.#failure ??= new AuditError(
      'failed',
      `the audit log in ${this.#dir} could not be written and accepts nothing more (${(cause as Error).message}); mend the cause and open it again`,
      { cause },
    );
    for (const { reject } of [...waiting, ...this.#queue.splice(0), ...this.#checkpointQueue.splice(0)]) {
      reject(this.#failure);
    }
  }

  async #close(): Promise<void> {
    try {
      await this.#working;
      await this.#announcing;
      if (this.#failure === null) {
        await this.#leaves.sync();
        await replaceHeads(this.#dir, { ...this.#head, state: 'closed' }, this.#signer);
      }
    } finally {
      await Promise.allSettled([
        this.#heads.close(),
        this.#leaves.close(),
        this.#checkpoints.close(),
        this.#segment?.file.close(),
      ]);
      await this.#unlock();
    }
  }
}
