import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Clock } from '@secai/kit';
import type { Queries, Store } from '@secai/store';

const HOUR_MS = 3_600_000;
/** A session ends after half a day without a request, and after a week whatever happens. */
export const IDLE_MS = 12 * HOUR_MS;
export const ABSOLUTE_MS = 7 * 24 * HOUR_MS;
/** How old the time of the last request may become before it is written again. */
const TOUCH_MS = 60_000;

const TOKEN = /^[A-Za-z0-9_-]{43}$/;

/** Browser sessions. A token is 256 random bits that only the browser keeps; the store has its SHA-256. */
export class Sessions {
  readonly #store: Store;
  readonly #clock: Clock;

  constructor(store: Store, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
  }

  /** Opens a session and returns its token; forgets those that have ended. */
  async open(queries: Queries = this.#store): Promise<string> {
    const token = randomBytes(32).toString('base64url');
    const now = this.#clock.now();
    await queries.query('DELETE FROM ui.sessions WHERE last_seen_at < $1 OR created_at < $2', [
      new Date(now - IDLE_MS),
      new Date(now - ABSOLUTE_MS),
    ]);
    await queries.query('INSERT INTO ui.sessions (token_hash, created_at, last_seen_at) VALUES ($1, $2, $2)', [
      hashOf(token),
      new Date(now),
    ]);
    return token;
  }

  /** Whether the token belongs to a session that has not ended. */
  async isOpen(token: string): Promise<boolean> {
    if (!TOKEN.test(token)) return false;
    const row = await this.#store.one<{ created_at: Date; last_seen_at: Date }>(
      'SELECT created_at, last_seen_at FROM ui.sessions WHERE token_hash = $1',
      [hashOf(token)],
    );
    if (!row) return false;
    const now = this.#clock.now();
    const idle = now - row.last_seen_at.getTime();
    if (idle > IDLE_MS || now - row.created_at.getTime() > ABSOLUTE_MS) return false;
    if (idle > TOUCH_MS)
      await this.#store.query('UPDATE ui.sessions SET last_seen_at = $2 WHERE token_hash = $1', [
        hashOf(token),
        new Date(now),
      ]);
    return true;
  }

  async close(token: string): Promise<void> {
    await this.#store.query('DELETE FROM ui.sessions WHERE token_hash = $1', [hashOf(token)]);
  }
}

function hashOf(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}

/** The CSRF token of a session: derived from the session's token, so it is bound to it and needs no place in the store. */
export function csrfTokenOf(sessionToken: string): string {
  return createHmac('sha256', sessionToken).update('secai csrf v1').digest('base64url');
}

export function isCsrfTokenOf(sessionToken: string, sent: unknown): boolean {
  const expected = Buffer.from(csrfTokenOf(sessionToken));
  const given = Buffer.from(typeof sent === 'string' ? sent : '');
  return given.length === expected.length && timingSafeEqual(given, expected);
}
