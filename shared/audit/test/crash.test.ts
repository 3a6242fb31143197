import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFile, cp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { generatePrivateKeyPem, loadSigningKey } from '@secai/signing';
import { beforeEach, describe, expect, it } from 'vitest';
import { type AuditLogOptions, openAuditLog, verifyAuditLog } from '../src/index.ts';
import { leafHash, toHex } from '../src/merkle.ts';
import { newFolder, ORIGIN, openLog, readFiles, segmentLines, snapshot, verifyLog } from './support.ts';

const CHILD = join(import.meta.dirname, 'writer-child.ts');

let dir: string;
let pem: string;
beforeEach(async () => {
  const folder = await newFolder();
  dir = join(folder, 'log');
  pem = join(folder, 'key.pem');
  await writeFile(pem, generatePrivateKeyPem());
});

interface Heard {
  acked: Map<number, string>;
  others: string[];
}

/** Runs the writer until it ends; `onAck` is told how many records were acknowledged so far. */
async function runWriter(command: string[], onAck: (child: ChildProcess, count: number) => void): Promise<Heard> {
  const child = spawn(command[0]!, command.slice(1), { stdio: ['ignore', 'pipe', 'inherit'] });
  const closed = once(child, 'close');
  const heard: Heard = { acked: new Map(), others: [] };
  for await (const line of createInterface({ input: child.stdout! })) {
    const match = /^acked (\d+) ([0-9a-f]{64})$/.exec(line);
    if (match === null) heard.others.push(line);
    else heard.acked.set(Number(match[1]), match[2]!);
    onAck(child, heard.acked.size);
  }
  await closed;
  return heard;
}

async function reopen(options: Partial<AuditLogOptions> = {}) {
  return openAuditLog({ dir, origin: ORIGIN, key: await loadSigningKey(pem), now: () => 0, ...options });
}

async function expectAllThere(acked: Map<number, string>): Promise<void> {
  const { publicKey } = await loadSigningKey(pem);
  expect(await verifyAuditLog({ dir, origin: ORIGIN, publicKey, settleMs: 0 })).toMatchObject({ ok: true });
  const lines = segmentLines(await readFiles(dir)).flatMap((segment) => segment.lines);
  for (const [seq, hash] of acked) expect(toHex(leafHash(lines[seq]!)), `record ${seq}`).toBe(hash);
}

describe('a writer killed with SIGKILL', () => {
  it('30 times in a row leaves every acknowledged record, and the log verifies each time', {
    timeout: 60_000,
  }, async () => {
    const acked = new Map<number, string>();
    for (let round = 0; round < 30; round++) {
      const until = 1 + ((round * 37) % 60);
      const writers = String(1 + (round % 5));
      const heard = await runWriter([process.execPath, CHILD, dir, pem, writers], (child, count) => {
        if (count === until) child.kill('SIGKILL');
      });
      expect(heard.others).toEqual([]);
      expect(heard.acked.size).toBeGreaterThanOrEqual(until);
      for (const [seq, hash] of heard.acked) {
        expect(acked.has(seq), `record ${seq} acknowledged twice`).toBe(false);
        acked.set(seq, hash);
      }
      await (await reopen()).close();
      await expectAllThere(acked);
    }
  });
});

describe('a disk that takes no more', () => {
  async function expectFailsClosed(command: string[]): Promise<void> {
    const { acked, others } = await runWriter(command, () => {});
    expect(acked.size).toBeGreaterThan(5);
    expect(others).toEqual(['failed failed', 'failed failed', 'failed failed', 'again failed']);
    const log = await reopen();
    expect(log.head().size).toBeGreaterThanOrEqual(acked.size);
    await log.append({ after: 'space was made' });
    await log.close();
    await expectAllThere(acked);
  }

  it('fails the log closed at a file size limit', async () => {
    // 2 KiB: less than a segment, more than a head. EFBIG takes the same path as ENOSPC.
    await expectFailsClosed(['bash', '-c', `ulimit -f 2; exec "$0" "$@"`, process.execPath, CHILD, dir, pem, '3']);
  });

  const script = `set -e; mkdir -p "$1"; mount -t tmpfs -o size=96k none "$1"; set +e; "$0" "$3" "$1" "$2" 3; cp -a "$1/." "$4"`;
  it.runIf(canMountTmpfs())('fails the log closed on a full file system', async () => {
    const mount = join(await newFolder(), 'small');
    await expectFailsClosed([
      'unshare',
      '-rm',
      'bash',
      '-c',
      script,
      process.execPath,
      mount,
      pem,
      CHILD,
      await emptyLogFolder(),
    ]);
  });

  /** The tmpfs lives in the child's mount namespace only, so the child copies its log here. */
  async function emptyLogFolder(): Promise<string> {
    execFileSync('mkdir', ['-p', dir]);
    return dir;
  }
});

function canMountTmpfs(): boolean {
  try {
    execFileSync('unshare', ['-rm', 'mount', '-t', 'tmpfs', 'none', '/mnt'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/** The states that a power cut may leave, made from copies of an open log after each append. */
describe('opening after a crash', () => {
  const names = ['head', 'head.copy', 'leaves', 'checkpoints'] as const;
  let states: Map<string, Buffer>[];
  let folders: string[];

  /** Log with 0, 1, 2 … acknowledged records, still open at the time. */
  async function acknowledgedStates(count: number): Promise<void> {
    const source = await newFolder();
    const log = await openLog(source, { segmentBytes: 160, checkpointEvery: 2 });
    folders = [await snapshot(source)];
    for (let i = 0; i < count; i++) {
      await log.append({ i });
      folders.push(await snapshot(source));
    }
    await log.close();
    states = await Promise.all(folders.map(readFiles));
  }

  async function expectOpens(folder: string, size: number, recovery: object): Promise<void> {
    const log = await openLog(folder);
    expect(log.head().size).toBe(size);
    expect(log.recovery).toEqual(recovery);
    await log.append({ goes: 'on' });
    await log.close();
    expect(await verifyLog(folder)).toMatchObject({ ok: true, size: size + 1 });
  }

  beforeEach(() => acknowledgedStates(6));

  it('keeps everything when nothing was under way', async () => {
    for (const [size, folder] of folders.entries())
      await expectOpens(folder, size, { droppedBytes: 0, leavesRebuilt: false });
  });

  it('drops records that were written but never signed, whole, torn or lost in zeros', async () => {
    for (let n = 0; n < 6; n++) {
      const after = states[n + 1]!;
      const segment = [...after.keys()].findLast((name) => name.endsWith('.jsonl'))!;
      const before = states[n]!.get(segment)?.length ?? 0;
      const written = after.get(segment)!;
      for (const content of [
        written,
        written.subarray(0, written.length - 1),
        written.subarray(0, before + 5),
        Buffer.concat([written.subarray(0, before), Buffer.alloc(100)]),
      ]) {
        const folder = await snapshot(folders[n]!);
        await writeFile(join(folder, segment), content);
        await writeFile(join(folder, 'leaves'), after.get('leaves')!);
        await writeFile(join(folder, 'checkpoints'), after.get('checkpoints')!);
        expect(await verifyLog(folder)).toMatchObject({ ok: false, where: { seq: n } });
        await expectOpens(folder, n, { droppedBytes: content.length - before, leavesRebuilt: false });
      }
    }
  });

  it('takes the head or its copy, whichever the records bear out, and needs only one of them whole', async () => {
    for (let n = 0; n < 6; n++) {
      // The head was written, its copy not: the records are all there.
      const ahead = await snapshot(folders[n + 1]!);
      await writeFile(join(ahead, 'head.copy'), states[n]!.get('head.copy')!);
      await expectOpens(ahead, n + 1, { droppedBytes: 0, leavesRebuilt: false });
      // The head reached the disk and the records did not.
      const behind = await snapshot(folders[n]!);
      await writeFile(join(behind, 'head'), states[n + 1]!.get('head')!);
      await expectOpens(behind, n, { droppedBytes: 0, leavesRebuilt: false });
      for (const spoilt of ['head', 'head.copy']) {
        const torn = await snapshot(folders[n]!);
        await truncate(join(torn, spoilt), 100);
        await expectOpens(torn, n, { droppedBytes: 0, leavesRebuilt: false });
      }
    }
  });

  it('derives lost leaf hashes again', async () => {
    for (let n = 1; n <= 6; n++) {
      const folder = await snapshot(folders[n]!);
      await truncate(join(folder, 'leaves'), n * 32 - 7);
      await expectOpens(folder, n, { droppedBytes: 0, leavesRebuilt: true });
    }
  });

  it('refuses when acknowledged records are missing or changed, or what follows is no crash', async () => {
    for (let n = 1; n <= 6; n++) {
      const segment = [...states[n]!.keys()].findLast((name) => name.endsWith('.jsonl'))!;
      const content = states[n]!.get(segment)!;
      const flipped = Buffer.from(content);
      flipped[content.length - 3]! ^= 1;
      const last = content.subarray(content.lastIndexOf(0x0a, content.length - 2) + 1);
      for (const changed of [
        content.subarray(0, -1),
        flipped,
        Buffer.concat([content, last]),
        Buffer.concat([content, Buffer.alloc(3e6)]),
      ]) {
        const folder = await snapshot(folders[n]!);
        await writeFile(join(folder, segment), changed);
        await expect(openLog(folder)).rejects.toMatchObject({ code: 'corrupt', where: { segment } });
        expect((await readFile(join(folder, segment))).equals(changed)).toBe(true);
      }
    }
  });

  it('refuses when any one file is an older one, or both heads are gone', async () => {
    for (const name of names) {
      const folder = await snapshot(folders[6]!);
      await writeFile(join(folder, name), states[3]!.get(name)!);
      const refused = await openLog(folder).then(
        async (log) => log.close().then(() => log.head().size),
        (error) => error.code,
      );
      // An older copy of the head is what a crash looks like, and takes nothing away; leaf hashes are derived again.
      expect(refused, name).toBe(name === 'head.copy' || name === 'leaves' ? 6 : 'corrupt');
    }
    const folder = await snapshot(folders[6]!);
    await rm(join(folder, 'head'));
    await rm(join(folder, 'head.copy'));
    await expect(openLog(folder)).rejects.toMatchObject({ code: 'corrupt', where: { segment: 'head' } });
  });

  it('survives a crash while opening and while closing', async () => {
    const closed = await newFolder();
    await cp(folders[6]!, closed, { recursive: true });
    await (await openLog(closed)).close();
    const closedFiles = await readFiles(closed);
    for (const name of ['head', 'head.copy']) {
      const half = await snapshot(closed);
      await writeFile(join(half, name), states[6]!.get(name)!);
      await expectOpens(half, 6, { droppedBytes: 0, leavesRebuilt: false });
      // In between nothing was being appended, so nothing may lie behind the head.
      const added = await snapshot(closed);
      await writeFile(join(added, name), states[6]!.get(name)!);
      await appendFile(join(added, [...closedFiles.keys()].findLast((n) => n.endsWith('.jsonl'))!), 'x');
      await expect(openLog(added)).rejects.toMatchObject({ code: 'corrupt' });
    }
  });
});
