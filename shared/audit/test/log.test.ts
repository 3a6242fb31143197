import { appendFile, type FileHandle, open, readFile, stat, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  type AuditLog,
  type AuditLogOptions,
  readAuditLog,
  readAuditSize,
  type TreeHead,
  verifyCheckpoint,
  verifyConsistency,
  verifyInclusion,
} from '../src/index.ts';
import { CompactTree, leafHash, toHex } from '../src/merkle.ts';
import { KEY, newFolder, ORIGIN, openLog, readFiles, START, segmentLines, verifyLog } from './support.ts';

let dir: string;
let log: AuditLog;
beforeEach(async () => {
  dir = await newFolder();
  log = await openLog(dir);
});
afterEach(() => log.close());

async function reopen(options: Partial<AuditLogOptions> = {}): Promise<void> {
  await log.close();
  log = await openLog(dir, options);
}

async function lines(): Promise<string[]> {
  return segmentLines(await readFiles(dir)).flatMap((segment) => segment.lines);
}

async function read(options: { from?: number; limit?: number } = {}): Promise<number[]> {
  const seqs: number[] = [];
  for await (const { seq } of readAuditLog({ dir, ...options })) seqs.push(seq);
  return seqs;
}

describe('append', () => {
  it('writes canonical JSON with number and time, durable and signed when it resolves', async () => {
    const appended = await log.append({ zebra: 1, actor: 'ui', nested: { b: null, a: ['é', true] } });
    const [line] = await lines();
    expect(line).toBe(
      '{"actor":"ui","nested":{"a":["é",true],"b":null},"seq":0,"time":"2026-01-01T00:00:00.000Z","zebra":1}',
    );
    expect(appended).toEqual({ seq: 0, leafHash: toHex(leafHash(line!)) });
    expect(log.head()).toEqual({ size: 1, root: appended.leafHash });
    expect(await verifyLog(dir)).toMatchObject({ ok: true, ...log.head() });
    expect((await stat(join(dir, '000000000000.jsonl'))).mode & 0o777).toBe(0o600);
  });

  it('numbers concurrent appends in the order of the calls and loses none', async () => {
    await reopen({ segmentBytes: 20_000, checkpointEvery: 100 });
    const appended = await Promise.all(Array.from({ length: 2000 }, (_, i) => log.append({ i })));
    expect(appended.map(({ seq }) => seq)).toEqual(Array.from({ length: 2000 }, (_, i) => i));
    const records = (await lines()).map((line) => JSON.parse(line));
    expect(records.every((record, i) => record.i === i && record.seq === i)).toBe(true);
    expect(log.head().size).toBe(2000);
    for (const { name } of segmentLines(await readFiles(dir)))
      expect((await stat(join(dir, name))).size).toBeLessThanOrEqual(20_000);
    await log.close();
    expect(await verifyLog(dir)).toMatchObject({ ok: true, size: 2000 });
  });

  it('groups what waits into few commits, and never leaves a waiter behind', async () => {
    const sizes = new Set<number>();
    await Promise.all(Array.from({ length: 500 }, (_, i) => log.append({ i }).then(() => sizes.add(log.head().size))));
    expect([...sizes]).toEqual([500]);
    // Appends made the moment another one resolves.
    const chain = async () => {
      for (let i = 0; i < 50; i++) await log.append({ i });
    };
    await Promise.all([chain(), chain(), chain()]);
    expect(log.head().size).toBe(650);
  });

  it('reads back any plain event as it was given', async () => {
    await fc.assert(
      fc.asyncProperty(fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 4 })), async (event) => {
        fc.pre(!('seq' in event) && !('time' in event) && JSON.stringify(event).isWellFormed());
        const { seq } = await log.append(event);
        for await (const record of readAuditLog({ dir, from: seq })) {
          const { seq: at, time, ...rest } = record;
          expect([at, typeof time]).toEqual([seq, 'string']);
          expect(JSON.stringify(rest)).toBe(JSON.stringify(JSON.parse(JSON.stringify(rest))));
          expect(rest).toEqual(JSON.parse(JSON.stringify(event)));
        }
      }),
      { numRuns: 60 },
    );
    await log.close();
    expect(await verifyLog(dir)).toMatchObject({ ok: true });
  });

  it('refuses reserved names and what JSON cannot say, and goes on', async () => {
    const cycle: Record<string, unknown> = {};
    cycle.self = cycle;
    const bad: unknown[] = [
      { seq: 5 },
      { time: 'now' },
      { at: new Date(0) },
      { m: new Map() },
      { n: Number.NaN },
      { f: () => 1 },
      { s: '\ud800' },
      { big: 1n },
      { long: 'x'.repeat(2 ** 20) },
      cycle,
      [1],
      'text',
      null,
    ];
    for (const event of bad)
      await expect(log.append(event as Record<string, unknown>)).rejects.toMatchObject({ code: 'bad_event' });
    expect(await log.append({ ok: true })).toMatchObject({ seq: 0 });
    expect(await log.append({ long: 'x'.repeat(2 ** 20 - 100) })).toMatchObject({ seq: 1 });
    await log.close();
    expect(await verifyLog(dir)).toMatchObject({ ok: true, size: 2 });
  });

  it('takes the event as it was at the call', async () => {
    const event = { state: 'before' };
    const appended = log.append(event);
    event.state = 'after';
    await appended;
    expect((await lines())[0]).toContain('before');
  });

  it('records a clock that goes backwards as it is', async () => {
    const times = [START, START - 3_600_000, START + 1];
    await reopen({ now: () => times.shift()! });
    for (let i = 0; i < 3; i++) await log.append({});
    const records = (await lines()).map((line) => JSON.parse(line));
    expect(records.map(({ time }) => time)).toEqual([
      '2026-01-01T00:00:00.000Z',
      '2025-12-31T23:00:00.000Z',
      '2026-01-01T00:00:00.001Z',
    ]);
    expect(await verifyLog(dir)).toMatchObject({ ok: true, size: 3 });
    await reopen({ now: () => Number.NaN });
    await expect(log.append({})).rejects.toMatchObject({ code: 'bad_event' });
  });

  it('is refused after close, which keeps what was appended before it', async () => {
    const pending = Array.from({ length: 20 }, (_, i) => log.append({ i }));
    const closing = log.close();
    await expect(log.append({})).rejects.toMatchObject({ code: 'closed' });
    await closing;
    expect((await Promise.all(pending)).length).toBe(20);
    expect(await verifyLog(dir)).toMatchObject({ ok: true, size: 20 });
  });
});

describe('durability', () => {
  /** The class of all file handles, which Node does not export. */
  async function fileHandles(): Promise<FileHandle> {
    await using handle = await open(join(dir, 'head'));
    return Object.getPrototypeOf(handle);
  }
  afterEach(() => {
    vi.restoreAllMocks();
  });

  it('acknowledges only after the records, the head and its copy are synced', async () => {
    const prototype = await fileHandles();
    const held: (() => void)[] = [];
    const real = prototype.datasync;
    vi.spyOn(prototype, 'datasync').mockImplementation(async function (this: FileHandle) {
      await new Promise<void>((resolve) => held.push(resolve));
      return real.call(this);
    });
    let acknowledged = false;
    const appended = log.append({ a: 1 }).then(() => {
      acknowledged = true;
    });
    for (const waiting of [2, 1]) {
      await expect.poll(() => held.length).toBe(waiting);
      expect(acknowledged).toBe(false);
      expect(log.head().size).toBe(0);
      for (const release of held.splice(0)) release();
    }
    await appended;
    expect(log.head().size).toBe(1);
  });

  it('fails closed when any sync fails, for everyone who waits', async () => {
    const prototype = await fileHandles();
    for (const failing of [1, 2, 3]) {
      let calls = 0;
      const real = prototype.datasync;
      vi.spyOn(prototype, 'datasync').mockImplementation(async function (this: FileHandle) {
        if (++calls === failing) throw Object.assign(new Error('EIO: i/o error, fdatasync'), { code: 'EIO' });
        return real.call(this);
      });
      const before = log.head();
      const waiting = [log.append({ failing }), log.append({ failing }), log.checkpoint()];
      for (const result of await Promise.allSettled(waiting))
        expect(result).toMatchObject({ status: 'rejected', reason: { code: 'failed' } });
      vi.restoreAllMocks();
      expect(log.head()).toEqual(before);
      await expect(log.append({})).rejects.toMatchObject({ code: 'failed' });
      await reopen();
      await log.append({ again: failing });
    }
    await log.close();
    expect(await verifyLog(dir)).toMatchObject({ ok: true });
  });
});

describe('opening', () => {
  it('goes on where the log ended, in any number of sessions', async () => {
    for (let session = 0; session < 5; session++) {
      await reopen({ segmentBytes: 300 });
      for (let i = 0; i < 7; i++) await log.append({ session });
    }
    expect(log.head().size).toBe(35);
    await log.close();
    expect(await verifyLog(dir)).toMatchObject({ ok: true, size: 35 });
  });

  it('is for one writer at a time', async () => {
    await expect(openLog(dir)).rejects.toMatchObject({ code: 'locked' });
    const alias = join(await newFolder(), 'alias');
    await symlink(dir, alias);
    await expect(openLog(alias)).rejects.toMatchObject({ code: 'locked' });
    await reopen();
    await log.append({});
  });

  it('refuses a name that signed notes cannot carry', async () => {
    for (const origin of ['', 'a b', 'a+b', 'ü', 'x'.repeat(101), 'a\nb'])
      await expect(openLog(await newFolder(), { origin })).rejects.toMatchObject({ code: 'bad_option' });
  });

  it('stops when it is cancelled, and lets go of the lock', async () => {
    await log.close();
    await expect(openLog(dir, { signal: AbortSignal.abort() })).rejects.toThrow('aborted');
    log = await openLog(dir);
  });
});

describe('checkpoints', () => {
  it('are standard signed notes over the tree so far', async () => {
    const pending = [log.append({ a: 1 }), log.append({ a: 2 })];
    const note = await log.checkpoint();
    await Promise.all(pending);
    expect(verifyCheckpoint(note, { origin: ORIGIN, publicKey: KEY.publicKey })).toEqual({
      ...log.head(),
      extensions: [],
    });
    expect(note.split('\n').slice(0, 3)).toEqual([ORIGIN, '2', Buffer.from(log.head().root, 'hex').toString('base64')]);
    expect(await log.checkpoint()).toBe(note);
    await log.close();
    expect(await verifyLog(dir)).toMatchObject({ ok: true, checkpoints: 1 });
  });

  it('are made every so many records', async () => {
    await reopen({ checkpointEvery: 10 });
    for (let i = 0; i < 35; i++) await log.append({});
    await reopen({ checkpointEvery: 10 });
    for (let i = 0; i < 5; i++) await log.append({});
    await log.close();
    expect(await verifyLog(dir)).toMatchObject({ ok: true, size: 40, checkpoints: 4 });
  });

  it('refuse another origin, another key, a changed size', async () => {
    const note = await log.checkpoint();
    const options = { origin: ORIGIN, publicKey: KEY.publicKey };
    expect(() => verifyCheckpoint(note, { ...options, origin: 'other' })).toThrow('refused');
    expect(() => verifyCheckpoint(note, { ...options, publicKey: Buffer.alloc(32) })).toThrow('refused');
    expect(() => verifyCheckpoint(note.replace('\n0\n', '\n1\n'), options)).toThrow('refused');
  });
});

describe('proofs from the log', () => {
  it('hold for every kind of size, also beyond one tile of leaves', async () => {
    await Promise.all(Array.from({ length: 1300 }, (_, i) => log.append({ i })));
    await reopen();
    await Promise.all(Array.from({ length: 300 }, (_, i) => log.append({ i })));
    const hashes = (await lines()).map((line) => leafHash(line));
    const roots = ['']; // Root by size; nothing at 0.
    const tree = new CompactTree();
    for (const hash of hashes) {
      tree.append(hash);
      roots.push(toHex(tree.root()));
    }
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 1600 }), fc.integer({ min: 1, max: 1600 }), async (a, b) => {
        const [size1, size2] = [Math.min(a, b), Math.max(a, b)];
        const { proof } = await log.inclusionProof(size1 - 1, size2);
        const leaf = toHex(hashes[size1 - 1]!);
        expect(verifyInclusion({ leafHash: leaf, seq: size1 - 1, size: size2, root: roots[size2]!, proof })).toBe(true);
        const between = await log.consistencyProof(size1, size2);
        expect(verifyConsistency({ size1, root1: roots[size1]!, size2, root2: roots[size2]!, proof: between })).toBe(
          true,
        );
      }),
    );
    await expect(log.inclusionProof(1600)).rejects.toThrow(RangeError);
    await expect(log.inclusionProof(-1)).rejects.toThrow(RangeError);
    await expect(log.consistencyProof(2, 1)).rejects.toThrow(RangeError);
    await expect(log.consistencyProof(1, 1601)).rejects.toThrow(RangeError);
  });
});

describe('onHead', () => {
  it('is told the newest head, one call at a time, and close waits for the last', async () => {
    const told: TreeHead[] = [];
    let running = 0;
    const onHead = async (head: TreeHead) => {
      expect(++running).toBe(1);
      await new Promise(setImmediate);
      running--;
      told.push(head);
    };
    await reopen({ onHead });
    for (let i = 0; i < 20; i++) await log.append({ i });
    await log.close();
    expect(told[0]?.size).toBe(0);
    expect(told.at(-1)).toEqual(log.head());
    expect(told.map(({ size }) => size)).toEqual(told.map(({ size }) => size).sort((a, b) => a - b));
  });

  it('fails the log when the keeper fails', async () => {
    await reopen({
      onHead: ({ size }) => {
        if (size > 0) throw new Error('the TPM is gone');
      },
    });
    await log.append({});
    await expect(log.append({}).then(() => log.append({}))).rejects.toThrow('the TPM is gone');
    await expect(log.checkpoint()).rejects.toMatchObject({ code: 'failed' });
  });
});

describe('reading back', () => {
  it('yields what is asked for, across segments', async () => {
    expect(await read()).toEqual([]);
    await reopen({ segmentBytes: 300 });
    for (let i = 0; i < 30; i++) await log.append({ i });
    const all = Array.from({ length: 30 }, (_, i) => i);
    expect(await read()).toEqual(all);
    expect(await readAuditSize(dir)).toBe(30);
    for (const from of [0, 1, 4, 5, 6, 29, 30, 99])
      for (const limit of [0, 1, 7, 100]) expect(await read({ from, limit })).toEqual(all.slice(from, from + limit));
  });

  it('says so when there is no log', async () => {
    await expect(readAuditSize(await newFolder())).rejects.toMatchObject({ code: 'missing' });
  });
});

describe('verifying beside a writer', () => {
  it('never raises a false alarm', async () => {
    await reopen({ segmentBytes: 3000, checkpointEvery: 7 });
    let stop = false;
    const writers = [1, 2, 3].map(async (writer) => {
      for (let i = 0; !stop; i++) await log.append({ writer, i });
    });
    let size = 0;
    for (let i = 0; i < 60; i++) {
      const result = await verifyLog(dir, { settleMs: 5000 });
      expect(result).toMatchObject({ ok: true });
      if (result.ok) {
        expect(result.size).toBeGreaterThanOrEqual(size);
        size = result.size;
      }
    }
    stop = true;
    await Promise.all(writers);
    expect(size).toBeGreaterThan(0);
  });

  it('reports a record added by another hand', async () => {
    await log.append({});
    const file = join(dir, '000000000000.jsonl');
    await appendFile(file, (await readFile(file, 'utf8')).replace('"seq":0', '"seq":1'));
    expect(await verifyLog(dir, { settleMs: 60 })).toMatchObject({
      ok: false,
      where: { segment: '000000000000.jsonl', line: 2, seq: 1 },
    });
  });
});
