import { Problem } from '@secai/contracts';
import type { Clock } from '@secai/kit';
import type { Store } from '@secai/store';

/** Attempts in a row, whether right or wrong; one more every ten seconds. */
const BUCKET = 5;
const REFILL_MS = 10_000;
/** From the fifth wrong passphrase in a row each one doubles the wait, up to a minute: the owner is never shut out for long. */
const FREE_FAILURES = 5;
const MAX_HOLD_MS = 60_000;

/** Thrown when attempts must wait; `retryAfterSeconds` belongs into the Retry-After header. */
export class LoginLimited extends Problem {
  readonly retryAfterSeconds: number;
  constructor(retryAfterSeconds: number) {
    super(
      'rate_limited',
      `too many attempts; try again in ${retryAfterSeconds} ${retryAfterSeconds === 1 ? 'second' : 'seconds'}`,
    );
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

interface Row extends Record<string, unknown> {
  tokens: number;
  refilled_at: Date;
  failures: number;
  held_until: Date | null;
}

/** Limits guesses at the passphrase. Its counters lie in the store, so that neither a restart nor a second process resets them. */
export class LoginGuard {
  readonly #store: Store;
  readonly #clock: Clock;

  constructor(store: Store, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
  }

  /** Pays for one attempt before it is checked, so that attempts side by side each pay. Throws LoginLimited. */
  async take(): Promise<void> {
    const now = this.#clock.now();
    const wait = await this.#store.transaction(async (tx) => {
      const row = (await tx.one<Row>(
        'SELECT tokens, refilled_at, failures, held_until FROM ui.login_guard FOR UPDATE',
      ))!;
      // A clock that was set back neither refills the bucket nor holds for longer than the longest hold.
      const refill = Math.max(0, now - row.refilled_at.getTime()) / REFILL_MS;
      const tokens = Math.min(BUCKET, row.tokens + refill);
      const held = Math.min((row.held_until?.getTime() ?? 0) - now, MAX_HOLD_MS);
      const dry = (1 - tokens) * REFILL_MS;
      if (held > 0 || dry > 0) return Math.max(held, dry);
      await tx.query('UPDATE ui.login_guard SET tokens = $1, refilled_at = $2', [tokens - 1, new Date(now)]);
      return 0;
    });
    if (wait > 0) throw new LoginLimited(Math.ceil(wait / 1000));
  }

  async failed(): Promise<void> {
    const row = await this.#store.one<{ failures: number }>(
      'UPDATE ui.login_guard SET failures = failures + 1 RETURNING failures',
    );
    const over = row!.failures - FREE_FAILURES;
    if (over < 0) return;
    const hold = Math.min(MAX_HOLD_MS, 1000 * 2 ** Math.min(over, 20));
    await this.#store.query('UPDATE ui.login_guard SET held_until = $1', [new Date(this.#clock.now() + hold)]);
  }

  async succeeded(): Promise<void> {
    await this.#store.query('UPDATE ui.login_guard SET tokens = $1, failures = 0, held_until = NULL', [BUCKET]);
  }
}
