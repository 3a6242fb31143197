import { Problem } from '@secai/contracts';
import type { Peers } from '@secai/kit';

/** Knows which models exist, so that a wrong name is refused before anything else happens. Asks the registry only about names it has not seen. */
export class ModelNames {
  readonly #peers: Peers;
  #known = new Set<string>();
  #asking: Promise<void> | null = null;

  constructor(peers: Peers) {
    this.#peers = peers;
  }

  /** Throws `not_found` naming the field `model`, or `dependency_unavailable`. */
  async require(name: string): Promise<void> {
    if (this.#known.has(name)) return;
    this.#asking ??= this.#ask().finally(() => {
      this.#asking = null;
    });
    await this.#asking;
    if (this.#known.has(name)) return;
    const message = `there is no model called ${JSON.stringify(name.slice(0, 120))} on this machine`;
    throw new Problem('not_found', message, { errors: [{ field: 'model', message }] });
  }

  forget(name: string): void {
    this.#known.delete(name);
  }

  async #ask(): Promise<void> {
    const { models } = await this.#peers.registry.list();
    this.#known = new Set(models.map(({ name }) => name));
  }
}
