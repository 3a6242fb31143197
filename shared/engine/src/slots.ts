/** A lent slot. `fresh`: what the slot remembers belongs to someone else and must be dropped before use. */
export interface Lease {
  readonly index: number;
  readonly fresh: boolean;
  /** Gives the slot back; a second call does nothing. `keep` false: what it remembers is not to be reused. */
  release(keep?: boolean): void;
}

/** Thrown by `acquire` when too many wait already. */
export class QueueFullError extends Error {
  override name = 'QueueFullError';
}

interface Slot {
  readonly index: number;
  busy: boolean;
  /** Whose conversation the slot still holds; null when nobody may reuse it. */
  session: string | null;
  lastUsed: number;
}

interface Waiter {
  readonly session: string | null;
  resolve(lease: Lease): void;
}

/**
 * Lends a fixed number of slots, first come first served. A conversation gets the slot back that it had, if that is
 * free, and never one that still holds another's.
 */
export class SlotPool {
  readonly #slots: Slot[];
  readonly #queue: Waiter[] = [];
  readonly #maxQueue: number;
  #uses = 0;

  constructor(size: number, maxQueue: number) {
    this.#slots = Array.from({ length: size }, (_, index) => ({ index, busy: false, session: null, lastUsed: 0 }));
    this.#maxQueue = maxQueue;
  }

  get size(): number {
    return this.#slots.length;
  }

  get busy(): number {
    return this.#slots.filter((slot) => slot.busy).length;
  }

  get waiting(): number {
    return this.#queue.length;
  }

  /** Waits for a slot. Rejects with the signal's reason when aborted, with QueueFullError when too many wait. */
  async acquire(session: string | null, signal?: AbortSignal): Promise<Lease> {
    signal?.throwIfAborted();
    const free = this.#queue.length === 0 ? this.#choose(session) : undefined;
    if (free !== undefined) return this.#lend(free, session);
    if (this.#queue.length >= this.#maxQueue)
      throw new QueueFullError(`${this.#maxQueue} requests are waiting already.`);
    return new Promise((resolve, reject) => {
      const onAbort = () => {
        this.#queue.splice(this.#queue.indexOf(waiter), 1);
        reject(signal!.reason);
      };
      const waiter: Waiter = {
        session,
        resolve: (lease) => {
          signal?.removeEventListener('abort', onAbort);
          resolve(lease);
        },
      };
      this.#queue.push(waiter);
      signal?.addEventListener('abort', onAbort, { once: true });
    });
  }

  /** Forgets a conversation, or all of them: the next request with that key starts from nothing. */
  forget(session?: string): void {
    for (const slot of this.#slots) {
      if (session === undefined || slot.session === session) slot.session = null;
    }
  }

  #choose(session: string | null): Slot | undefined {
    const free = this.#slots.filter((slot) => !slot.busy);
    const own = session === null ? undefined : free.find((slot) => slot.session === session);
    return (
      own ??
      free.find((slot) => slot.session === null) ??
      free.reduce<Slot | undefined>(
        (old, slot) => (old === undefined || slot.lastUsed < old.lastUsed ? slot : old),
        undefined,
      )
    );
  }

  #lend(slot: Slot, session: string | null): Lease {
    const fresh = session === null || slot.session !== session;
    slot.busy = true;
    slot.session = session;
    let given = false;
    return {
      index: slot.index,
      fresh,
      release: (keep = true) => {
        if (given) return;
        given = true;
        slot.busy = false;
        if (!keep) slot.session = null;
        this.#uses += 1;
        slot.lastUsed = this.#uses;
        const next = this.#queue.shift();
        if (next !== undefined) next.resolve(this.#lend(this.#choose(next.session)!, next.session));
      },
    };
  }
}
