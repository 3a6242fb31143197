import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { Problem } from '@secai/contracts';
import { bearer, type Caller, type CallerTable, type Clock, type Logger, type Request } from '@secai/kit';
import type { Store } from '@secai/store';
import { storable } from './text.ts';

const PREFIX = 'sk-secai-';
const KEY = /^sk-secai-[A-Za-z0-9_-]{43}$/;
/** How old "last used" may become before it is written again. */
const TOUCH_MS = 60_000;

export interface ApiKey {
  id: string;
  name: string;
  /** The first characters, to tell keys apart. */
  prefix: string;
  created_at: string;
  last_used_at: string | null;
}

interface Row extends Record<string, unknown> {
  id: string;
  name: string;
  prefix: string;
  created_at: Date;
  last_used_at: Date | null;
}

const COLUMNS = 'id, name, prefix, created_at, last_used_at';

/** API keys: 256 random bits each, of which the store has the SHA-256. */
export class ApiKeys {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #logger: Logger;

  constructor(store: Store, clock: Clock, logger: Logger) {
    this.#store = store;
    this.#clock = clock;
    this.#logger = logger;
  }

  async list(): Promise<ApiKey[]> {
    const rows = await this.#store.query<Row>(`SELECT ${COLUMNS} FROM ui.api_keys ORDER BY created_at, id`);
    return rows.map(keyOf);
  }

  /** The new key; `secret` is nowhere else. */
  async create(id: string, name: string): Promise<ApiKey & { secret: string }> {
    const secret = PREFIX + randomBytes(32).toString('base64url');
    const row = await this.#store.one<Row>(
      `INSERT INTO ui.api_keys (id, name, prefix, secret_hash, created_at) VALUES ($1, $2, $3, $4, $5) RETURNING ${COLUMNS}`,
      [id, storable(name), secret.slice(0, PREFIX.length + 6), hashOf(secret), new Date(this.#clock.now())],
    );
    return { ...keyOf(row!), secret };
  }

  /** Throws `not_found`. */
  async require(id: string): Promise<void> {
    if (!(await this.#store.one('SELECT 1 FROM ui.api_keys WHERE id = $1', [id]))) throw missingKey();
  }

  /** Throws `not_found`. */
  async revoke(id: string): Promise<void> {
    const row = await this.#store.one('DELETE FROM ui.api_keys WHERE id = $1 RETURNING id', [id]);
    if (!row) throw missingKey();
  }

  /** The id of the key with this secret, or null. */
  async identify(secret: string): Promise<string | null> {
    if (!KEY.test(secret)) return null;
    const row = await this.#store.one<{ id: string; last_used_at: Date | null }>(
      'SELECT id, last_used_at FROM ui.api_keys WHERE secret_hash = $1',
      [hashOf(secret)],
    );
    if (!row) return null;
    const now = this.#clock.now();
    if (now - (row.last_used_at?.getTime() ?? 0) > TOUCH_MS)
      this.#store
        .query('UPDATE ui.api_keys SET last_used_at = $2 WHERE id = $1', [row.id, new Date(now)])
        .catch((error: unknown) => this.#logger.warn({ err: error as Error }, 'key_use_not_noted'));
    return row.id;
  }
}

/** A new key's id, made before the key so that the audit record can come first. */
export function newKeyId(): string {
  return randomUUID();
}

/**
 * Who calls `/v1/*`: an API key, or the operator's edge token with the scope `infer`. Both headers that clients use end
 * here, so neither can get past what the other one is held to (CVE-2026-45339); two different values are refused.
 */
export async function apiCaller(req: Request, keys: ApiKeys, callers: CallerTable): Promise<Caller | null> {
  const fromBearer = bearer(req.headers.authorization);
  const header = req.headers['x-api-key'];
  const fromHeader = typeof header === 'string' ? header : null;
  if (req.headers.authorization !== undefined && fromBearer === null) return null;
  if (fromBearer !== null && fromHeader !== null && fromBearer !== fromHeader) return null;
  const token = fromBearer ?? fromHeader;
  if (token === null) return null;
  const id = await keys.identify(token);
  if (id !== null) return { name: `key:${id}`, scopes: ['infer'] };
  const caller = callers.identify(token);
  return caller?.scopes.includes('infer') ? caller : null;
}

function missingKey(): Problem {
  return new Problem('not_found', 'there is no such API key');
}

function keyOf(row: Row): ApiKey {
  return {
    id: row.id,
    name: row.name,
    prefix: row.prefix,
    created_at: row.created_at.toISOString(),
    last_used_at: row.last_used_at?.toISOString() ?? null,
  };
}

function hashOf(secret: string): Buffer {
  return createHash('sha256').update(secret).digest();
}
