/** Longest time that shown text may be missing from the store. */
const SAVE_EVERY_MS = 500;

/** Writes a growing text to the store in the background, at most every half second and one write at a time. */
export class Draft {
  readonly #save: () => Promise<void>;
  readonly #onError: (error: Error) => void;
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> = Promise.resolve();

  /** `save` writes the text as it is when it is called; its errors go to `onError`, and the next write tries again. */
  constructor(save: () => Promise<void>, onError: (error: Error) => void) {
    this.#save = save;
    this.#onError = onError;
  }

  /** Says that the text grew. */
  grew(): void {
    this.#timer ??= setTimeout(() => {
      this.#writing = this.#writing
        .then(this.#save)
        .catch(this.#onError)
        .finally(() => {
          this.#timer = undefined;
        });
    }, SAVE_EVERY_MS);
  }

  /** Stops writing; what is being written is done when this resolves. */
  async close(): Promise<void> {
    clearTimeout(this.#timer);
    await this.#writing;
  }
}
