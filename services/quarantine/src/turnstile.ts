/** Lets `places` in at once and the others wait in the order of their coming. */
export class Turnstile {
  #free: number;
  readonly #queue: (() => void)[] = [];

  constructor(places: number) {
    this.#free = places;
  }

  /** Waits for a place; the result gives it back (once). Rejects with the signal's reason when that aborts first. */
  async enter(signal: AbortSignal): Promise<() => void> {
    signal.throwIfAborted();
    if (this.#free > 0) {
      this.#free--;
      return this.#leaver();
    }
    const turn = Promise.withResolvers<void>();
    const come = (): void => turn.resolve();
    const giveUp = (): void => {
      const at = this.#queue.indexOf(come);
      if (at === -1) return; // the place was handed over already
      this.#queue.splice(at, 1);
      turn.reject(signal.reason);
    };
    this.#queue.push(come);
    signal.addEventListener('abort', giveUp, { once: true });
    await turn.promise;
    signal.removeEventListener('abort', giveUp);
    return this.#leaver();
  }

  #leaver(): () => void {
    let left = false;
    return () => {
      if (left) return;
      left = true;
      const next = this.#queue.shift();
      if (next) next();
      else this.#free++;
    };
  }
}
