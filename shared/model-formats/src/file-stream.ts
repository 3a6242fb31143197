import { createHash, type Hash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { FileChanged } from './errors.ts';
import type { ScanProgress } from './types.ts';

interface StreamOptions {
  chunkBytes: number;
  signal?: AbortSignal | undefined;
  onProgress?: ((progress: ScanProgress) => void) | undefined;
  /** Sees every chunk once, in order, with its offset in the file. */
  onChunk?: ((chunk: Buffer, offset: number) => void) | undefined;
}

/**
 * Reads a file once from start to end through two reused buffers: while one is worked on, the next is being filled.
 * Every byte passes through the whole-file SHA-256 exactly when its chunk arrives. Views handed out are valid until
 * the next call. Throws FileChanged when the file ends before `size`, and the signal's reason when aborted.
 */
export class FileStream {
  readonly size: number;
  readonly #handle: FileHandle;
  readonly #options: StreamOptions;
  readonly #hash: Hash = createHash('sha256');
  readonly #buffers: [Buffer, Buffer];
  #filling = 0;
  #pending: Promise<Buffer> | null = null;
  #requested = 0;
  #received = 0;
  #chunk: Buffer = Buffer.alloc(0);
  #at = 0;

  constructor(handle: FileHandle, size: number, options: StreamOptions) {
    this.size = size;
    this.#handle = handle;
    this.#options = options;
    const bytes = Math.max(1, Math.min(options.chunkBytes, size));
    this.#buffers = [Buffer.allocUnsafeSlow(bytes), Buffer.allocUnsafeSlow(bytes)];
  }

  /** Bytes taken so far. */
  get position(): number {
    return this.#received - (this.#chunk.length - this.#at);
  }

  get remaining(): number {
    return this.size - this.position;
  }

  /** The next `n` bytes when they are already in memory, else null. */
  tryTake(n: number): Buffer | null {
    if (this.#chunk.length - this.#at < n) return null;
    const view = this.#chunk.subarray(this.#at, this.#at + n);
    this.#at += n;
    return view;
  }

  /** The next `n` bytes in one piece. The caller has checked `n` against `remaining` and its own bound. */
  async take(n: number): Promise<Buffer> {
    const ready = this.tryTake(n);
    if (ready) return ready;
    const whole = Buffer.allocUnsafe(n);
    let filled = 0;
    await this.consume(n, (piece) => {
      piece.copy(whole, filled);
      filled += piece.length;
    });
    return whole;
  }

  /** Passes the next `n` bytes on in pieces; `at` counts from the first of them. */
  async consume(n: number, onPiece: (piece: Buffer, at: number) => void): Promise<void> {
    let at = 0;
    while (at < n) {
      if (this.#at === this.#chunk.length) await this.#advance();
      const length = Math.min(n - at, this.#chunk.length - this.#at);
      onPiece(this.#chunk.subarray(this.#at, this.#at + length), at);
      this.#at += length;
      at += length;
    }
  }

  /** Reads what is left, for the hash alone, and returns the SHA-256 of the whole file in hex. */
  async finish(): Promise<string> {
    await this.consume(this.remaining, () => {});
    return this.#hash.digest('hex');
  }

  /** Waits for a read under way, so that the file handle can be closed. Never throws. */
  async settle(): Promise<void> {
    await this.#pending?.catch(() => {});
  }

  async #advance(): Promise<void> {
    this.#options.signal?.throwIfAborted();
    const chunk = await (this.#pending ?? this.#read());
    this.#pending = null;
    this.#options.signal?.throwIfAborted();
    const offset = this.#received;
    this.#received += chunk.length;
    this.#chunk = chunk;
    this.#at = 0;
    if (this.#received < this.size) {
      this.#pending = this.#read();
      // The next #advance reports a failed read; until then it must not count as unhandled.
      this.#pending.catch(() => {});
    }
    this.#hash.update(chunk);
    this.#options.onChunk?.(chunk, offset);
    this.#options.onProgress?.({ bytes_read: this.#received, size: this.size });
  }

  async #read(): Promise<Buffer> {
    const buffer = this.#buffers[this.#filling]!;
    this.#filling = 1 - this.#filling;
    const start = this.#requested;
    const wanted = Math.min(buffer.length, this.size - start);
    this.#requested += wanted;
    let filled = 0;
    while (filled < wanted) {
      const { bytesRead } = await this.#handle.read(buffer, filled, wanted - filled, start + filled);
      if (bytesRead === 0) {
        throw new FileChanged(
          `the file ended at byte ${start + filled}, although it had ${this.size} bytes when opened`,
        );
      }
      filled += bytesRead;
    }
    return buffer.subarray(0, wanted);
  }
}
