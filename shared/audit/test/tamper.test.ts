import { closeSync, openSync, rmSync, truncateSync, writeFileSync, writeSync } from 'node:fs';
import { cp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { generateSigningKey } from '@secai/signing';
import { beforeAll, describe, expect, it } from 'vitest';
import { verifies } from '../../../tests/claims.ts';
import { leafHash } from '../src/merkle.ts';
import { closedLog, newFolder, openLog, readFiles, START, segmentLines, snapshot, verifyLog } from './support.ts';

const RECORDS = 50;
let dir: string;
let files: Map<string, Buffer>;
let names: string[];

beforeAll(async () => {
  dir = await closedLog(RECORDS);
  files = await readFiles(dir);
  names = [...files.keys()];
});

function restore(...changed: string[]): void {
  for (const name of changed) writeFileSync(join(dir, name), files.get(name)!);
}

function newlinesBefore(data: Buffer, end: number): number {
  return data.subarray(0, end).reduce((count, byte) => count + (byte === 0x0a ? 1 : 0), 0);
}

/** The first record that a change at this byte of this file puts in doubt; undefined where records are not concerned. */
function recordAt(name: string, byte: number): number | undefined {
  if (name.endsWith('.jsonl')) return Number.parseInt(name, 10) + newlinesBefore(files.get(name)!, byte);
  return name === 'leaves' ? Math.floor(byte / 32) : undefined;
}

async function expectBad(
  what: string,
  place: { segment?: string; seq?: number | undefined } = {},
  folder = dir,
): Promise<void> {
  const result = await verifyLog(folder);
  expect(result.ok, what).toBe(false);
  if (result.ok) return;
  if (place.segment !== undefined) expect(result.where.segment, `${what}: ${result.reason}`).toBe(place.segment);
  if (place.seq !== undefined) expect(result.where.seq, `${what}: ${result.reason}`).toBe(place.seq);
}

/** Tampers with each file in a copy of its own, all at once; each must be whole again afterwards. */
async function onCopies(tamper: (copy: string, name: string, data: Buffer) => Promise<void>): Promise<void> {
  await Promise.all(
    names.map(async (name) => {
      const copy = await snapshot(dir);
      await tamper(copy, name, files.get(name)!);
      expect(await verifyLog(copy)).toMatchObject({ ok: true, size: RECORDS });
    }),
  );
}

/** In place: truncating to nothing first makes ext4 flush the file, which is slow. */
function overwrite(name: string, data: string): void {
  writeFileSync(join(dir, name), data, { flag: 'r+' });
  truncateSync(join(dir, name), data.length);
}

async function expectUntouched(): Promise<void> {
  expect(await verifyLog(dir)).toMatchObject({ ok: true, size: RECORDS, checkpoints: 2 });
}

verifies(['audit.tamper-evident'], 'a closed log of 50 records', () => {
  it('verifies, and consists of several segments', async () => {
    await expectUntouched();
    expect(names.filter((name) => name.endsWith('.jsonl')).length).toBeGreaterThanOrEqual(4);
    expect(names.filter((name) => !name.endsWith('.jsonl'))).toEqual(['checkpoints', 'head', 'head.copy', 'leaves']);
  });

  it('is found out at every flipped byte of every file, with the place', { timeout: 60_000 }, async () => {
    await onCopies(async (copy, name, data) => {
      const file = openSync(join(copy, name), 'r+');
      for (let i = 0; i < data.length; i++) {
        writeSync(file, Buffer.of(data[i]! ^ (1 << (i % 8))), 0, 1, i);
        await expectBad(`${name}, byte ${i} flipped`, { segment: name, seq: recordAt(name, i) }, copy);
        writeSync(file, data, i, 1, i);
      }
      closeSync(file);
    });
  });

  it('is found out when any file is truncated at any byte, with the place', { timeout: 60_000 }, async () => {
    await onCopies(async (copy, name, data) => {
      const file = openSync(join(copy, name), 'w');
      for (let length = 0; length < data.length; length++) {
        // A segment without a line says nothing; the place is then behind the one before it.
        const segment = name.endsWith('.jsonl') ? undefined : name;
        await expectBad(`${name} cut to ${length}`, { segment, seq: recordAt(name, length) }, copy);
        writeSync(file, data, length, 1, length);
      }
      closeSync(file);
    });
  });

  it('is found out when any record is dropped or repeated', async () => {
    for (const { name, lines } of segmentLines(files)) {
      const first = Number.parseInt(name, 10);
      for (let i = 0; i < lines.length; i++) {
        writeFileSync(join(dir, name), joined(lines.toSpliced(i, 1)));
        await expectBad(`record ${first + i} dropped`, { seq: first + i });
        writeFileSync(join(dir, name), joined(lines.toSpliced(i, 0, lines[i]!)));
        await expectBad(`record ${first + i} repeated`, { seq: first + i + 1 });
      }
      restore(name);
    }
    await expectUntouched();
  });

  it('is found out when any two records are swapped', async () => {
    const segments = segmentLines(files);
    const all = segments.flatMap(({ lines }, s) => lines.map((_, l) => ({ s, l })));
    for (let a = 0; a < all.length; a++) {
      for (let b = a + 1; b < all.length; b++) {
        const swapped = segments.map(({ lines }) => [...lines]);
        const [x, y] = [all[a]!, all[b]!];
        swapped[x.s]![x.l] = segments[y.s]!.lines[y.l]!;
        swapped[y.s]![y.l] = segments[x.s]!.lines[x.l]!;
        for (const s of new Set([x.s, y.s])) overwrite(segments[s]!.name, joined(swapped[s]!));
        await expectBad(`records ${a} and ${b} swapped`, { segment: segments[x.s]!.name, seq: a });
        for (const s of new Set([x.s, y.s])) overwrite(segments[s]!.name, joined(segments[s]!.lines));
      }
    }
    await expectUntouched();
  });

  it('is found out when checkpoints are dropped, swapped or repeated', async () => {
    const notes = files
      .get('checkpoints')!
      .toString()
      .split(/(?<=\n\n[^\n]*\n)/)
      .filter(Boolean);
    expect(notes).toHaveLength(2);
    const [a, b] = notes as [string, string];
    for (const changed of [a, b, b + a, a + a + b, a + b + b, a + a, '']) {
      writeFileSync(join(dir, 'checkpoints'), changed);
      await expectBad('checkpoints changed', { segment: 'checkpoints' });
    }
    restore('checkpoints');
    await expectUntouched();
  });

  it('is found out when any file is missing, empty, a link, or there is one too many', async () => {
    for (const name of names) {
      rmSync(join(dir, name));
      await expectBad(`${name} missing`);
      await symlink(join(await newFolder(), 'x'), join(dir, name));
      await expectBad(`${name} a link`);
      rmSync(join(dir, name));
      restore(name);
    }
    for (const extra of ['000000000050.jsonl', '000000000001.jsonl', 'x.jsonl']) {
      writeFileSync(join(dir, extra), '');
      await expectBad(`${extra} added`);
      rmSync(join(dir, extra));
    }
    await expectUntouched();
  });

  it('is found out when everything is gone', async () => {
    const empty = await newFolder();
    expect(await verifyLog(empty)).toMatchObject({ ok: false, where: { segment: 'head' } });
    expect(await verifyLog(join(empty, 'nowhere'))).toMatchObject({ ok: false, where: { segment: 'head' } });
    await expect(openLog(empty, { mustExist: true })).rejects.toMatchObject({ code: 'missing' });
    await expect(openLog(empty, { expectedHead: { size: 50, root: '00'.repeat(32) } })).rejects.toMatchObject({
      code: 'missing',
    });
  });

  it('is found out when signed by another key, or under another name', async () => {
    expect(await verifyLog(dir, { publicKey: generateSigningKey().publicKey })).toMatchObject({ ok: false });
    expect(await verifyLog(dir, { origin: 'other.secai.local' })).toMatchObject({ ok: false });
  });

  it('narrows a record rewritten together with its leaf hash down to the checkpoints around it', async () => {
    for (const [seq, from] of [
      [3, 0],
      [19, 0],
      [20, 20],
      [39, 20],
      [40, 40],
      [49, 40],
    ] as const) {
      const segment = segmentLines(files).findLast(({ name }) => Number.parseInt(name, 10) <= seq)!;
      const line = seq - Number.parseInt(segment.name, 10);
      const forged = segment.lines[line]!.replace(/"e":\d/, '"e":9');
      writeFileSync(join(dir, segment.name), joined(segment.lines.with(line, forged)));
      const leaves = Buffer.from(files.get('leaves')!);
      leaves.write(leafHash(forged), seq * 32, 'latin1');
      writeFileSync(join(dir, 'leaves'), leaves);
      await expectBad(`record ${seq} forged`, { seq: from });
      restore(segment.name, 'leaves');
    }
    await expectUntouched();
  });

  it('is never opened for writing once tampered with, and stays as it is', async () => {
    for (const name of names) {
      const data = files.get(name)!;
      for (const at of [0, Math.floor(data.length / 2), data.length - 1]) {
        const changed = Buffer.from(data);
        changed[at]! ^= 4;
        for (const content of [changed, data.subarray(0, at), Buffer.concat([data, data.subarray(-52)])]) {
          writeFileSync(join(dir, name), content);
          await expect(openLog(dir), `${name} at ${at}`).rejects.toMatchObject({
            code: 'corrupt',
            where: { segment: expect.any(String), line: expect.any(Number), seq: expect.any(Number) },
          });
          expect((await readFile(join(dir, name))).equals(content)).toBe(true);
        }
      }
      restore(name);
    }
    await expectUntouched();
  });
});

describe('an older copy put back', () => {
  it('is found out by a head kept outside, by the verifier and by the writer', async () => {
    const older = await snapshot(dir);
    const log = await openLog(dir, { now: () => START, segmentBytes: 800, checkpointEvery: 20 });
    for (let i = 0; i < 30; i++) await log.append({ later: i });
    const sealed = log.head();
    await log.close();
    expect(await verifyLog(dir, { expectedHead: sealed })).toMatchObject({ ok: true, size: 80 });
    // Without a head from outside, an older copy is a genuine log.
    expect(await verifyLog(older)).toMatchObject({ ok: true, size: RECORDS });
    expect(await verifyLog(older, { expectedHead: sealed })).toMatchObject({ ok: false, where: { segment: 'head' } });
    await expect(openLog(older, { expectedHead: sealed })).rejects.toMatchObject({ code: 'corrupt' });
    // Put back and continued: as long as the sealed one, but another.
    const forked = await openLog(older);
    for (let i = 0; i < 40; i++) await forked.append({ other: i });
    await forked.close();
    expect(await verifyLog(older)).toMatchObject({ ok: true, size: 90 });
    expect(await verifyLog(older, { expectedHead: sealed })).toMatchObject({ ok: false });
    await expect(openLog(older, { expectedHead: sealed })).rejects.toMatchObject({ code: 'corrupt' });
    // An older file among newer ones needs no outside help.
    for (const name of names) {
      const mixed = await snapshot(dir);
      if (files.get(name)!.equals(await readFile(join(mixed, name)))) continue;
      await writeFile(join(mixed, name), files.get(name)!);
      expect(await verifyLog(mixed), name).toMatchObject({ ok: false });
      await rm(mixed, { recursive: true });
      await cp(dir, mixed, { recursive: true });
    }
  });
});

function joined(lines: string[]): string {
  return lines.map((line) => `${line}\n`).join('');
}
