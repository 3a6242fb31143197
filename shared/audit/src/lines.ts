/** Splits a file into lines, many at a time, without copying them. */
import type { FileHandle } from 'node:fs/promises';
import { MAX_LINE_BYTES } from './record.ts';

const BATCH_LINES = 4096;
/** A line that the last read cut, and a read. */
const BUFFER_BYTES = 2 * MAX_LINE_BYTES;
const NEWLINE = 0x0a;

export interface LineBatch {
  /** Line i is `buffer[starts[i]..ends[i])`. The byte before each start belongs to no line and may be overwritten. */
  buffer: Buffer;
  starts: Uint32Array;
  ends: Uint32Array;
  count: number;
  /** Offset in the file of `buffer[0]`; line i starts at `base + starts[i]`. */
  base: number;
}

/**
 * The lines of `handle` from its start. A batch is valid until the next is asked for. Returns the offset behind the
 * last newline: what follows is an unfinished line, or one longer than MAX_LINE_BYTES, and is not delivered.
 */
export async function* lineBatches(handle: FileHandle): AsyncGenerator<LineBatch, number> {
  const { size } = await handle.stat();
  // One spare byte in front, so that every line has a byte before it. What is appended meanwhile need not be seen.
  const buffer = Buffer.allocUnsafe(1 + Math.min(BUFFER_BYTES, size));
  const starts = new Uint32Array(BATCH_LINES);
  const ends = new Uint32Array(BATCH_LINES);
  let start = 1;
  let filled = 1;
  let base = -1;
  for (;;) {
    let count = 0;
    for (; count < BATCH_LINES; count++) {
      const end = buffer.indexOf(NEWLINE, start);
      if (end === -1 || end >= filled) break;
      starts[count] = start;
      ends[count] = end;
      start = end + 1;
    }
    if (count > 0) yield { buffer, starts, ends, count, base };
    if (count === BATCH_LINES) continue;
    if (filled - start >= MAX_LINE_BYTES) return base + start;
    buffer.copyWithin(1, start, filled);
    base += start - 1;
    filled -= start - 1;
    start = 1;
    const { bytesRead } = await handle.read(
      buffer,
      filled,
      Math.min(MAX_LINE_BYTES, buffer.length - filled),
      base + filled,
    );
    if (bytesRead === 0) return base + start;
    filled += bytesRead;
  }
}
