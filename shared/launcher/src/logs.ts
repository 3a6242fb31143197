import { createWriteStream, type WriteStream } from 'node:fs';
import { rename, stat } from 'node:fs/promises';
import { join } from 'node:path';

const MAX_BYTES = 8 * 1024 * 1024;

/** The log file of one service: JSON lines as they came, one older file kept. */
export class LogFile {
  readonly #path: string;
  #stream: WriteStream;
  #bytes: number;

  private constructor(path: string, bytes: number) {
    this.#path = path;
    this.#bytes = bytes;
    this.#stream = createWriteStream(path, { flags: 'a', mode: 0o600 });
  }

  static async open(dir: string, service: string): Promise<LogFile> {
    const path = join(dir, `${service}.log`);
    const bytes = await stat(path).then(
      (s) => s.size,
      () => 0,
    );
    if (bytes > MAX_BYTES) await rename(path, `${path}.1`);
    return new LogFile(path, bytes > MAX_BYTES ? 0 : bytes);
  }

  write(line: string): void {
    this.#stream.write(`${line}\n`);
    this.#bytes += line.length + 1;
    if (this.#bytes <= MAX_BYTES) return;
    this.#stream.end();
    this.#bytes = 0;
    const full = this.#path;
    const old = this.#stream;
    // The old stream keeps writing to the renamed file until it is flushed.
    this.#stream = createWriteStream(`${full}.new`, { flags: 'w', mode: 0o600 });
    old.once('close', () => {
      rename(full, `${full}.1`)
        .then(() => rename(`${full}.new`, full))
        .catch((error: Error) => process.stderr.write(`log rotation of ${full} failed: ${error.message}\n`));
    });
  }

  close(): Promise<void> {
    return new Promise((resolve) => this.#stream.end(resolve));
  }
}

/** A service's JSON line as a person reads it: time, event, fields. Lines that are no JSON stay as they are. */
export function readableLine(line: string): string {
  let entry: Record<string, unknown>;
  try {
    entry = JSON.parse(line) as Record<string, unknown>;
  } catch {
    return line;
  }
  if (typeof entry !== 'object' || entry === null || typeof entry['event'] !== 'string') return line;
  const {
    level,
    time,
    event,
    service: _,
    err,
    ...fields
  } = entry as { level?: string; time?: string; event: string; service?: string; err?: { message?: string } };
  const rest = Object.entries(fields).map(
    ([key, value]) => `${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`,
  );
  const mark = level === 'warn' ? '! ' : level === 'error' || level === 'fatal' ? '✗ ' : '';
  return [time?.slice(11, 19), `${mark}${event}`, ...rest, err?.message].filter(Boolean).join(' ');
}
