import type { EventStream } from '@secai/kit';

/**
 * Sends text to a reader as `delta` events without ever making the engine wait: what a slow reader has not taken yet is
 * joined into its next event. The memory this takes is bounded by the length of one answer.
 */
export class DeltaWriter {
  readonly #reader: EventStream;
  #backlog = '';
  #sending: Promise<void> | null = null;

  constructor(reader: EventStream) {
    this.#reader = reader;
  }

  write(text: string): void {
    this.#backlog += text;
    this.#sending ??= this.#send().finally(() => {
      this.#sending = null;
    });
  }

  /** Resolves when the reader took everything, or is gone. */
  async flushed(): Promise<void> {
    await this.#sending;
  }

  async #send(): Promise<void> {
    while (this.#backlog !== '') {
      const text = this.#backlog;
      this.#backlog = '';
      if (!(await this.#reader.send('delta', { text }))) return;
    }
  }
}
