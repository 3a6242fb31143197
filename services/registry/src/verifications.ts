import { randomUUID } from 'node:crypto';
import { Problem } from '@secai/contracts';
import type { ManifestEntry } from './manifest.ts';
import type { Registry } from './registry.ts';

export interface Verification {
  id: string;
  name: string;
  state: 'running' | 'matches' | 'differs' | 'failed';
  bytes_done: number;
  bytes_total: number;
  detail?: string;
}

/** How many finished verifications are remembered. */
const KEPT = 100;

/** Hashes stored files again, one at a time: disks gain nothing from two readers. */
export class Verifications {
  readonly #registry: Registry;
  readonly #stopping: AbortSignal;
  readonly #known = new Map<string, Verification>();
  #queue: Promise<void> = Promise.resolve();

  constructor(registry: Registry, stopping: AbortSignal) {
    this.#registry = registry;
    this.#stopping = stopping;
  }

  /** Starts a verification, or joins the one that is running for this model. Throws Problem `not_found`. */
  async start(name: string): Promise<string> {
    const entry = await this.#registry.entry(name);
    const running = [...this.#known.values()].find((known) => known.name === name && known.state === 'running');
    if (running) return running.id;
    const verification: Verification = {
      id: randomUUID(),
      name,
      state: 'running',
      bytes_done: 0,
      bytes_total: entry.size,
    };
    this.#known.set(verification.id, verification);
    this.#forgetOldest();
    this.#queue = this.#queue.then(() => this.#verify(entry, verification));
    return verification.id;
  }

  /** Throws Problem `not_found`. */
  get(id: string): Verification {
    const known = this.#known.get(id);
    if (!known)
      throw new Problem('not_found', 'there is no such verification; the registry forgets them when it restarts');
    return known;
  }

  async idle(): Promise<void> {
    await this.#queue;
  }

  async #verify(entry: ManifestEntry, verification: Verification): Promise<void> {
    try {
      const fault = await this.#registry.folder.hash(entry, this.#stopping, (bytes) => {
        verification.bytes_done = bytes;
      });
      await this.#registry.verified(entry, fault);
      if (fault !== null) verification.detail = `${entry.name} is out of use: ${fault}`;
      verification.state = fault === null ? 'matches' : 'differs';
    } catch (error) {
      verification.detail = this.#stopping.aborted ? 'the registry was stopped' : (error as Error).message;
      verification.state = 'failed';
    }
  }

  #forgetOldest(): void {
    for (const [id, { state }] of this.#known) {
      if (this.#known.size <= KEPT) return;
      if (state !== 'running') this.#known.delete(id);
    }
  }
}
