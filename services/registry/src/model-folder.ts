import { createHash, randomUUID } from 'node:crypto';
import { constants } from 'node:fs';
import { chmod, type FileHandle, lstat, open, readdir, rename, rm, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { Problem } from '@secai/contracts';
import { syncDir } from '@secai/files';

const CHUNK_BYTES = 1024 * 1024;
/** Left free for the manifest, the audit log and the other services of the machine. */
const RESERVE_BYTES = 64 * 1024 * 1024;
const MODEL_FILE = /^[0-9a-f]{64}\.(?:gguf|safetensors)$/;
const TEMPORARY_FILE = /^\.[0-9a-f-]{36}\.part$/;

export interface Pinned {
  file: string;
  /** `sha256:<hex>` */
  sha256: string;
  size: number;
}

/** The folder of promoted models: read-only files named by their digest. */
export class ModelFolder {
  readonly #dir: string;

  constructor(dir: string) {
    this.#dir = dir;
  }

  /** Name of the file that holds the model of this digest. */
  static fileName(digest: string, format: 'gguf' | 'safetensors'): string {
    return `${digest.slice('sha256:'.length)}.${format}`;
  }

  /** Whether any file looks like a promoted model. */
  async holdsModels(): Promise<boolean> {
    return (await readdir(this.#dir)).some((name) => MODEL_FILE.test(name));
  }

  /** Removes half-made files and models that `known` does not name, which a crash left. Returns their names. */
  async sweep(known: ReadonlySet<string>): Promise<string[]> {
    const removed: string[] = [];
    for (const name of await readdir(this.#dir)) {
      if (!TEMPORARY_FILE.test(name) && (!MODEL_FILE.test(name) || known.has(name))) continue;
      await rm(join(this.#dir, name), { force: true, recursive: true });
      removed.push(name);
    }
    if (removed.length > 0) await syncDir(this.#dir);
    return removed;
  }

  /** What is wrong with the stored file at a glance, or null. The bytes are checked by `hash`. */
  async fault(pin: Pinned): Promise<string | null> {
    try {
      const stats = await lstat(join(this.#dir, pin.file));
      if (!stats.isFile()) return 'its place holds something that is not a regular file';
      return stats.size === pin.size ? null : `its file has ${stats.size} bytes instead of ${pin.size}`;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 'its file is missing';
      throw error;
    }
  }

  /**
   * Copies `source` beside the models, hashing what is written. Resolves to a temporary file that is complete, durable
   * and equal to the pin; `place` gives it its name, `discard` removes it. Throws Problem `integrity_mismatch` or
   * `storage_full`, the signal's reason, or an I/O error; the folder is then as before.
   */
  async copyIn(source: FileHandle, pin: Pinned, signal: AbortSignal): Promise<string> {
    await this.#needSpace(pin.size);
    const temporary = `.${randomUUID()}.part`;
    try {
      const target = await open(join(this.#dir, temporary), 'wx', 0o600);
      try {
        const digest = await copyAndHash(source, target, pin.size, signal);
        if (digest !== pin.sha256)
          throw new Problem(
            'integrity_mismatch',
            'the file in the quarantine folder is not the one that was scanned; nothing was promoted. Submit it again',
          );
        // By path: Node's permission model has no fchmod.
        await chmod(join(this.#dir, temporary), 0o444);
        await target.sync();
      } finally {
        await target.close();
      }
      return temporary;
    } catch (error) {
      await this.discard(temporary);
      throw error;
    }
  }

  /** Gives a copied file its name, in place of an equal one. */
  async place(temporary: string, pin: Pinned): Promise<void> {
    await rename(join(this.#dir, temporary), join(this.#dir, pin.file));
    await syncDir(this.#dir);
  }

  async discard(temporary: string): Promise<void> {
    await rm(join(this.#dir, temporary), { force: true });
  }

  /**
   * Hashes the stored file; `onProgress` gets the bytes read so far. Null when the bytes are the pinned ones, else what
   * is wrong. Throws the signal's reason or an I/O error.
   */
  async hash(pin: Pinned, signal: AbortSignal, onProgress: (bytes: number) => void): Promise<string | null> {
    const fault = await this.fault(pin);
    if (fault) return fault;
    const file = await open(join(this.#dir, pin.file), constants.O_RDONLY | constants.O_NOFOLLOW);
    try {
      const digest = await hashAll(file, signal, onProgress);
      return digest === pin.sha256 ? null : 'its bytes are not the ones that were promoted';
    } finally {
      await file.close();
    }
  }

  async remove(file: string): Promise<void> {
    await rm(join(this.#dir, file), { force: true });
    await syncDir(this.#dir);
  }

  async #needSpace(bytes: number): Promise<void> {
    const { bavail, bsize } = await statfs(this.#dir);
    if (bavail * bsize < bytes + RESERVE_BYTES)
      throw new Problem(
        'storage_full',
        `the model needs ${megabytes(bytes)} and the models folder has ${megabytes(bavail * bsize)} left (${megabytes(RESERVE_BYTES)} stay free); remove a model or make room`,
      );
  }
}

async function copyAndHash(source: FileHandle, target: FileHandle, size: number, signal: AbortSignal): Promise<string> {
  const hash = createHash('sha256');
  const buffer = Buffer.allocUnsafe(CHUNK_BYTES);
  let done = 0;
  for (;;) {
    signal.throwIfAborted();
    const { bytesRead } = await source.read(buffer, 0, CHUNK_BYTES, done);
    if (bytesRead === 0) break;
    done += bytesRead;
    if (done > size) break; // longer than scanned: no need to fill the disk with it
    const chunk = buffer.subarray(0, bytesRead);
    hash.update(chunk);
    for (let written = 0; written < bytesRead; )
      written += (await target.write(chunk, written, bytesRead - written)).bytesWritten;
  }
  return done === size ? `sha256:${hash.digest('hex')}` : 'another size';
}

async function hashAll(file: FileHandle, signal: AbortSignal, onProgress: (bytes: number) => void): Promise<string> {
  const hash = createHash('sha256');
  const buffer = Buffer.allocUnsafe(CHUNK_BYTES);
  let done = 0;
  for (;;) {
    signal.throwIfAborted();
    const { bytesRead } = await file.read(buffer, 0, CHUNK_BYTES, done);
    if (bytesRead === 0) return `sha256:${hash.digest('hex')}`;
    hash.update(buffer.subarray(0, bytesRead));
    done += bytesRead;
    onProgress(done);
  }
}

function megabytes(bytes: number): string {
  return `${Math.ceil(bytes / 1e6)} MB`;
}
