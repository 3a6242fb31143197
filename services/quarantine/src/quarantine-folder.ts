import { chmod, type FileHandle, open, readdir, rename, rm, stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { Problem } from '@secai/contracts';
import { ensureDir, syncDir } from '@secai/files';

/** Uploads look at the free space again after this many bytes, for other uploads take space meanwhile. */
const SPACE_CHECK_BYTES = 32 * 1024 * 1024;
const MAX_RESERVE_BYTES = 256 * 1024 * 1024;

/**
 * The files under examination: `incoming/` holds uploads that are not complete, `files/` complete ones named by job id,
 * read-only. Whatever belongs to no active job is removed at start.
 */
export class QuarantineFolder {
  readonly #root: string;

  constructor(root: string) {
    this.#root = root;
  }

  async prepare(): Promise<void> {
    // Another user (the registry's) reads here in containers; nobody else writes.
    for (const folder of [this.#root, this.#incoming, this.#files]) await ensureDir(folder, 0o755);
  }

  /** Removes what belongs to no active job. Returns how many files there were. */
  async sweep(active: ReadonlySet<string>): Promise<number> {
    let removed = 0;
    for (const [folder, keep] of [
      [this.#incoming, new Set()],
      [this.#files, active],
    ] as const) {
      for (const name of await readdir(folder)) {
        if (keep.has(name)) continue;
        await rm(join(folder, name), { recursive: true, force: true });
        removed++;
      }
    }
    return removed;
  }

  /** Absolute path of a job's file. */
  pathOf(id: string): string {
    return join(this.#files, id);
  }

  /** The same below the quarantine folder, as the registry wants it. */
  relativePathOf(id: string): string {
    return `files/${id}`;
  }

  async has(id: string): Promise<boolean> {
    return stat(this.pathOf(id)).then(
      (stats) => stats.isFile(),
      () => false,
    );
  }

  async remove(id: string): Promise<void> {
    await rm(this.pathOf(id), { force: true });
    await rm(join(this.#incoming, id), { force: true });
  }

  /** Bytes that an upload may still take: what the disk has free, less a reserve for everything else that writes. */
  async room(): Promise<number> {
    const { bavail, blocks, bsize } = await statfs(this.#root);
    return bavail * bsize - Math.min(MAX_RESERVE_BYTES, blocks * bsize * 0.05);
  }

  /**
   * Writes `chunks` into a file of its own and makes it durable. Throws Problem `storage_full` or what `chunks` throws;
   * nothing is left then. Memory stays at one chunk.
   */
  async receive(id: string, chunks: AsyncIterable<Buffer>): Promise<number> {
    const path = join(this.#incoming, id);
    const file = await open(path, 'wx', 0o600);
    try {
      const size = await this.#writeAll(file, chunks);
      await file.sync();
      return size;
    } catch (error) {
      await rm(path, { force: true });
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'ENOSPC' || code === 'EDQUOT' || code === 'EFBIG') throw storageFull(error);
      throw error;
    } finally {
      await file.close();
    }
  }

  /** Moves a received file to its place under examination. */
  async accept(id: string): Promise<void> {
    const path = join(this.#incoming, id);
    await chmod(path, 0o444);
    await rename(path, this.pathOf(id));
    await syncDir(this.#files);
  }

  async #writeAll(file: FileHandle, chunks: AsyncIterable<Buffer>): Promise<number> {
    let size = 0;
    let checkAt = 0;
    for await (const chunk of chunks) {
      if (size + chunk.length > checkAt) {
        if ((await this.room()) < chunk.length) throw storageFull();
        checkAt = size + chunk.length + SPACE_CHECK_BYTES;
      }
      for (let written = 0; written < chunk.length; )
        written += (await file.write(chunk, written, chunk.length - written)).bytesWritten;
      size += chunk.length;
    }
    return size;
  }

  get #incoming(): string {
    return join(this.#root, 'incoming');
  }

  get #files(): string {
    return join(this.#root, 'files');
  }
}

export function storageFull(cause?: unknown): Problem {
  return new Problem(
    'storage_full',
    'the disk is too full for this file, and nothing of it was kept; make room and send it again',
    {},
    cause,
  );
}
