import { execFile } from 'node:child_process';
import { appendFile, mkdir, open, rename, stat, symlink, truncate, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ModelFormatError, scanModel, tensorManifestRoot } from '../src/index.ts';
import { buildGguf, buildSafetensors } from '../src/testing/index.ts';
import { isRejected, scanBytes, withDirectory } from './helpers.ts';

/** Seconds; a whole number, so that setting it again gives the very same time. */
const LONG_AGO = 1_000_000_000;

const big = buildGguf({ tensors: [{ name: 'a', shape: [1024, 256] }] });

/** Scans with small reads and runs `disturb` once, after the first of them. */
function scanDisturbed(disturb: (path: string) => Promise<void>): ReturnType<typeof scanModel> {
  return withDirectory(async (directory) => {
    const path = join(directory, 'model.gguf');
    await writeFile(path, big);
    await utimes(path, LONG_AGO, LONG_AGO);
    const handle = await open(path, 'r');
    let disturbed: Promise<void> | null = null;
    try {
      const slow = new Proxy(handle, {
        get(target, name) {
          if (name !== 'read')
            return typeof target[name as never] === 'function'
              ? (target[name as never] as () => void).bind(target)
              : target[name as never];
          return async (buffer: Buffer, offset: number, length: number, position: number) => {
            if (position > 200_000) {
              disturbed ??= disturb(path);
              await disturbed;
            }
            return target.read(buffer, offset, length, position);
          };
        },
      });
      // Head and tail are peeked at first; the disturbance waits for the pass itself.
      const result = await scanModel(slow, { name: 'model.gguf', limits: { chunkBytes: 65_536 } });
      expect(disturbed).not.toBeNull();
      return result;
    } finally {
      await handle.close();
    }
  });
}

describe('scanModel', () => {
  it.each([
    ['grows', (path: string) => appendFile(path, 'x')],
    ['is cut short', (path: string) => truncate(path, 1000)],
    [
      'is rewritten with its time set back',
      async (path: string) => {
        const { ctimeNs } = await stat(path, { bigint: true });
        // The kernel's clock for file times moves in steps of some milliseconds.
        do {
          const handle = await open(path, 'r+');
          await handle.write(Buffer.of(1), 0, 1, big.length - 1);
          await handle.close();
          await utimes(path, LONG_AGO, LONG_AGO);
        } while ((await stat(path, { bigint: true })).ctimeNs === ctimeNs);
      },
    ],
  ])('fails when the file %s while it is read', async (_how, disturb) => {
    const result = await scanDisturbed(disturb);
    expect(result.findings.map(({ rule }) => rule)).toContain('INT-001');
    expect(result.stages.integrity).toBe('fail');
  });

  it('fails when another file takes the place of the one being read', async () => {
    await withDirectory(async (directory) => {
      const path = join(directory, 'model.gguf');
      await writeFile(path, big);
      await writeFile(join(directory, 'other'), big);
      let swapped: Promise<void> | undefined;
      const result = await scanModel(path, {
        limits: { chunkBytes: 65_536 },
        onProgress: () => {
          swapped ??= rename(join(directory, 'other'), path);
        },
      });
      await swapped;
      expect(result.findings.map(({ rule }) => rule)).toContain('INT-001');
    });
  });

  it('reports progress up to the size', async () => {
    const seen: number[] = [];
    await scanBytes(big, 'a.gguf', {
      limits: { chunkBytes: 100_000 },
      onProgress: ({ bytes_read }) => seen.push(bytes_read),
    });
    expect(seen).toEqual([...seen].sort((a, b) => a - b));
    expect(seen.at(-1)).toBe(big.length);
    expect(seen.length).toBeGreaterThan(5);
  });

  it('stops when aborted, with the reason given', async () => {
    const controller = new AbortController();
    const scan = scanBytes(big, 'a.gguf', {
      signal: controller.signal,
      limits: { chunkBytes: 65_536 },
      onProgress: () => controller.abort(new Error('enough')),
    });
    await expect(scan).rejects.toThrow('enough');
  });

  it('says what is missing or cannot be read', async () => {
    await withDirectory(async (directory) => {
      await expect(scanModel(join(directory, 'nothing'))).rejects.toMatchObject({
        name: 'ModelFormatError',
        code: 'not_found',
      });
      await symlink('/etc/passwd', join(directory, 'link.gguf'));
      const error = await scanModel(join(directory, 'link.gguf')).catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(ModelFormatError);
      expect((error as ModelFormatError).code).toBe('unreadable');
      await mkdir(join(directory, 'folder'));
      expect((await scanModel(join(directory, 'folder'))).findings.map(({ rule }) => rule)).toEqual(['INT-002']);
      await promisify(execFile)('mkfifo', [join(directory, 'pipe')]);
      expect((await scanModel(join(directory, 'pipe'))).findings.map(({ rule }) => rule)).toEqual(['INT-002']);
    });
  });

  it('refuses a name that disagrees with the content', async () => {
    for (const name of ['a.safetensors', 'a.bin', 'a.zip', 'a.pkl']) {
      const result = await scanBytes(buildGguf(), name);
      expect(result.findings.map(({ rule }) => rule)).toEqual(['FMT-002']);
      expect(result.stages.format).toBe('fail');
    }
    expect(isRejected(await scanBytes(buildGguf(), 'model v1.5'))).toBe(false);
  });

  it('finds a program across the boundary of two reads', async () => {
    const elf = Buffer.from('7f454c4602010100000000000000000002003e0001000000', 'hex');
    const data = Buffer.alloc(100_000, 1);
    elf.copy(data, 50_001);
    const bytes = buildGguf({ tensors: [{ name: 'a', type: 24, shape: [100_000], data }] });
    const at = bytes.indexOf(elf);
    for (const chunkBytes of [at + 1, at + 10, at + 23, 1000]) {
      const result = await scanBytes(bytes, 'a.gguf', { limits: { chunkBytes } });
      expect(result.findings).toEqual([expect.objectContaining({ rule: 'EXE-001', where: `byte ${at}` })]);
    }
  });

  it('keeps to its limits', async () => {
    const rules = async (bytes: Buffer, name: string, limits: object): Promise<string[]> =>
      (await scanBytes(bytes, name, { limits })).findings.map(({ rule }) => rule);
    expect(await rules(buildGguf(), 'a.gguf', { maxGgufHeaderBytes: 100 })).toContain('GGUF-007');
    expect(await rules(buildGguf(), 'a.gguf', { maxMetadataEntries: 3 })).toEqual(['GGUF-005']);
    expect(await rules(buildGguf(), 'a.gguf', { maxTensors: 2 })).toEqual(['GGUF-006']);
    expect(await rules(buildGguf(), 'a.gguf', { maxTokens: 2 })).toEqual(['GGUF-016']);
    expect(await rules(buildSafetensors(), 'a.safetensors', { maxTensors: 0 })).toEqual(['ST-018']);
    expect(await rules(buildSafetensors(), 'a.safetensors', { maxSafetensorsHeaderBytes: 10 })).toEqual(['ST-002']);
    const { findings } = await scanBytes(
      buildGguf({
        tensors: Array.from({ length: 20 }, (_, i) => ({
          name: `t${i}`,
          data: Buffer.from(new Float32Array(32).fill(Number.NaN).buffer),
        })),
      }),
      'a.gguf',
      { limits: { maxFindingsPerRule: 3 } },
    );
    expect(findings.length).toBe(3);
    expect(findings[2]!.message).toContain('and 17 more like this');
  });

  it('has a Merkle root that depends on every byte, name and place of every tensor', async () => {
    const result = await scanBytes(buildGguf(), 'a.gguf');
    expect(result.tensor_manifest_root).toBe(tensorManifestRoot(result.tensors));
    const [first, ...rest] = result.tensors;
    const others = [
      [{ ...first!, name: 'x' }, ...rest],
      [{ ...first!, offset: 0 }, ...rest],
      rest,
      [...rest, first!],
      [{ ...first!, sha256: rest[0]!.sha256 }, ...rest],
    ];
    const roots = [result.tensors, ...others].map(tensorManifestRoot);
    expect(new Set(roots).size).toBe(roots.length);
  });

  it('never crashes, hangs or accepts less than the whole on mutated files', async () => {
    const seeds = [
      buildGguf({ metadata: { 'tokenizer.chat_template': '{% for m in messages %}{{ m.content }}{% endfor %}' } }),
      buildSafetensors({ metadata: { format: 'pt' } }),
    ];
    const mutation = fc.record({
      at: fc.nat(),
      kind: fc.constantFrom('flip', 'set', 'insert', 'delete', 'huge'),
      value: fc.integer({ min: 0, max: 255 }),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...seeds),
        fc.array(mutation, { minLength: 1, maxLength: 6 }),
        async (seed, mutations) => {
          let bytes: Buffer = Buffer.from(seed);
          for (const { at, kind, value } of mutations)
            bytes = mutate(bytes, at % Math.max(1, bytes.length), kind, value);
          const start = performance.now();
          const result = await scanBytes(bytes, 'a');
          expect(performance.now() - start).toBeLessThan(1000);
          expect(result.size).toBe(bytes.length);
          if (!isRejected(result))
            expect(result.tensors.every(({ offset, size }) => offset + size <= bytes.length)).toBe(true);
        },
      ),
      { numRuns: 1500 },
    );
  }, 60_000);

  it('scans 2 GB in bounded memory', async () => {
    await withDirectory(async (directory) => {
      const path = join(directory, 'sparse.gguf');
      const shape = [1024, 1024 * 256];
      const header = buildGguf({
        tensors: [0, 1].map((i) => ({ name: `t${i}`, shape, data: Buffer.alloc(0), offset: BigInt(i) * 2n ** 30n })),
      });
      const handle = await open(path, 'w');
      await handle.write(header);
      await handle.truncate(header.length + 2 * 2 ** 30);
      await handle.close();
      const script = fileURLToPath(new URL('./measure-memory.ts', import.meta.url));
      const { stdout } = await promisify(execFile)(process.execPath, [script, path]);
      const { stages, tensors, peak_rss } = JSON.parse(stdout) as { stages: object; tensors: number; peak_rss: number };
      expect(stages).toEqual({ format: 'pass', integrity: 'pass', static: 'pass' });
      expect(tensors).toBe(2);
      expect(peak_rss).toBeLessThan(200 * 1024 * 1024);
    });
  }, 180_000);
});

function mutate(bytes: Buffer, at: number, kind: string, value: number): Buffer {
  const copy = Buffer.from(bytes);
  switch (kind) {
    case 'flip':
      if (copy.length > 0) copy[at]! ^= 1 << (value & 7);
      return copy;
    case 'set':
      if (copy.length > 0) copy[at] = value;
      return copy;
    case 'insert':
      return Buffer.concat([copy.subarray(0, at), Buffer.alloc(1 + (value & 15), value), copy.subarray(at)]);
    case 'delete':
      return Buffer.concat([copy.subarray(0, at), copy.subarray(at + 1 + (value & 63))]);
    default:
      copy.fill(0xff, at, Math.min(copy.length, at + 8));
      return copy;
  }
}
