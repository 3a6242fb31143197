// Times the scanner's one pass against sha256sum on the same 2 GB GGUF: node shared/model-formats/bench.ts
import { execFile } from 'node:child_process';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { buildGguf, ordinaryData } from './src/testing/index.ts';

const RUNS = 3;
const TENSORS = 32;
const Q8_0 = 8;
const SHAPE = [32_768, 1_844];
const TENSOR_BYTES = (SHAPE[0]! / 32) * 34 * SHAPE[1]!;

const run = promisify(execFile);
const directory = await mkdtemp(join(tmpdir(), 'model-formats-bench-'));
try {
  const path = join(directory, 'bench.gguf');
  const size = await writeModel(path);
  const peer: number[] = [];
  const own: number[] = [];
  let peak = 0;
  for (let i = 0; i < RUNS; i++) {
    peer.push(await seconds(() => run('sha256sum', [path])));
    own.push(
      await seconds(async () => {
        const script = fileURLToPath(new URL('./test/measure-memory.ts', import.meta.url));
        const { stdout } = await run(process.execPath, [script, path]);
        const { stages, peak_rss } = JSON.parse(stdout) as { stages: Record<string, string>; peak_rss: number };
        if (Object.values(stages).includes('fail')) throw new Error(`the bench model was refused: ${stdout}`);
        peak = Math.max(peak, peak_rss);
      }),
    );
  }
  console.log(
    JSON.stringify({
      bytes: size,
      sha256sum_s: peer.map(round),
      scan_s: own.map(round),
      ratio: round(median(own) / median(peer)),
      peak_rss_mb: Math.round(peak / 1e6),
    }),
  );
} finally {
  await rm(directory, { recursive: true, force: true });
}

/** Writes the model and leaves it in the page cache; returns its size in bytes. */
async function writeModel(path: string): Promise<number> {
  const tensors = Array.from({ length: TENSORS }, (_, i) => ({
    name: `blk.0.w${i}`,
    type: Q8_0,
    shape: SHAPE,
    data: Buffer.alloc(0),
    offset: BigInt(i) * BigInt(TENSOR_BYTES),
  }));
  const data = ordinaryData(Q8_0, TENSOR_BYTES);
  const handle = await open(path, 'w');
  try {
    await handle.write(buildGguf({ tensors }));
    for (let i = 0; i < TENSORS; i++) await handle.write(data);
    return (await handle.stat()).size;
  } finally {
    await handle.close();
  }
}

async function seconds(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1000;
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!;
}

function round(value: number): number {
  return Math.round(value * 1000) / 1000;
}
