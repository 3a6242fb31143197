import { Problem } from '@secai/contracts';
import type { Clock } from '@secai/kit';
import type { Queries, Store } from '@secai/store';
import type { PassphraseHasher } from './passphrase.ts';

/** The one owner and their passphrase. */
export class Owner {
  readonly #store: Store;
  readonly #hasher: PassphraseHasher;
  readonly #clock: Clock;
  /** There is no way back to no owner, so a yes is remembered. */
  #exists = false;
  #settingUp: Promise<unknown> = Promise.resolve();

  constructor(store: Store, hasher: PassphraseHasher, clock: Clock) {
    this.#store = store;
    this.#hasher = hasher;
    this.#clock = clock;
  }

  async exists(): Promise<boolean> {
    this.#exists ||= (await this.#store.one('SELECT 1 FROM ui.owner')) !== null;
    return this.#exists;
  }

  /** Sets the first passphrase. Throws `conflict` when there is one: of several at once, exactly one succeeds. */
  async setUp(passphrase: string): Promise<void> {
    // One after the other, so that those who lose cost no hash; the insert decides between processes.
    const done = this.#settingUp.then(() => this.#setUp(passphrase));
    this.#settingUp = done.catch(() => undefined);
    return done;
  }

  async #setUp(passphrase: string): Promise<void> {
    if (await this.exists()) throw alreadySetUp();
    const hash = await this.#hasher.hash(passphrase);
    const row = await this.#store.one(
      'INSERT INTO ui.owner (passphrase_hash, changed_at) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING RETURNING id',
      [hash, new Date(this.#clock.now())],
    );
    if (!row) throw alreadySetUp();
    this.#exists = true;
  }

  /** Whether this is the passphrase. Throws `conflict` when none was set yet. */
  async isPassphrase(passphrase: string): Promise<boolean> {
    const row = await this.#store.one<{ passphrase_hash: string }>('SELECT passphrase_hash FROM ui.owner');
    if (!row) throw new Problem('conflict', 'no passphrase was set yet; choose one first');
    return this.#hasher.matches(passphrase, row.passphrase_hash);
  }

  /** Hashes a new passphrase; `store` then puts it in place, so that it can be part of a larger transaction. */
  async prepareChange(passphrase: string): Promise<{ store: (queries: Queries) => Promise<void> }> {
    const hash = await this.#hasher.hash(passphrase);
    return {
      store: async (queries) => {
        await queries.query('UPDATE ui.owner SET passphrase_hash = $1, changed_at = $2', [
          hash,
          new Date(this.#clock.now()),
        ]);
      },
    };
  }
}

function alreadySetUp(): Problem {
  return new Problem('conflict', 'a passphrase was set already; log in with it');
}
