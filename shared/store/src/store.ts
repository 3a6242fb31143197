import { setTimeout as delay } from 'node:timers/promises';
import { Pool } from 'pg';

export interface Migration {
  /** Counts up from 1; a migration that has run is never changed. */
  id: number;
  name: string;
  /** Statements in the service's schema; names are qualified (`quarantine.jobs`). */
  sql: string;
}

export interface StoreOptions {
  /** Any Postgres-compatible server; `postgres:///db?host=/dir` for a unix socket. */
  databaseUrl: string;
  /** The service's own schema; made when missing. */
  schema: string;
  migrations: readonly Migration[];
  /** How long to wait for a server that is still starting; default 15 s. */
  connectMs?: number;
  /** Called for errors of idle connections, which no query reports. */
  onError?: (error: Error) => void;
}

type Row = Record<string, unknown>;

export interface Queries {
  /** All rows. */
  query<T extends Row = Row>(sql: string, params?: unknown[]): Promise<T[]>;
  /** The only row, or null. */
  one<T extends Row = Row>(sql: string, params?: unknown[]): Promise<T | null>;
}

export interface Store extends Queries {
  /** Runs `work` in one transaction: all of it or nothing. */
  transaction<T>(work: (tx: Queries) => Promise<T>): Promise<T>;
  /** Throws when the server does not answer. */
  ping(): Promise<void>;
  close(): Promise<void>;
}

/** Opens the store and brings its schema up to date. Throws when the server stays away or knows a newer schema than this code. */
export async function openStore(options: StoreOptions): Promise<Store> {
  const pool = new Pool({
    connectionString: options.databaseUrl,
    max: 4,
    connectionTimeoutMillis: 5000,
    idleTimeoutMillis: 30_000,
    keepAlive: true,
  });
  pool.on('error', (error) => options.onError?.(error));
  try {
    await waitForServer(pool, options.connectMs ?? 15_000);
    await migrate(pool, options.schema, options.migrations);
  } catch (error) {
    await pool.end();
    throw error;
  }
  return {
    ...queriesOf((sql, params) => retryOnce(() => pool.query(sql, params))),
    transaction: (work) => inTransaction(pool, work),
    ping: async () => {
      await pool.query('SELECT 1');
    },
    close: () => pool.end(),
  };
}

/** Without parameters the simple protocol is used, which takes several statements at once (migrations). */
function queriesOf(run: (sql: string, params?: unknown[]) => Promise<{ rows: Row[] }>): Queries {
  return {
    query: async <T extends Row>(sql: string, params?: unknown[]) => (await run(sql, params)).rows as T[],
    one: async <T extends Row>(sql: string, params?: unknown[]) =>
      ((await run(sql, params)).rows[0] as T | undefined) ?? null,
  };
}

/** Connection errors before a statement reached the server (pg pools hand out connections that died meanwhile). */
async function retryOnce<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ECONNREFUSED' && (error as NodeJS.ErrnoException).code !== 'ENOENT')
      throw error;
    await delay(250);
    return work();
  }
}

async function waitForServer(pool: Pool, limitMs: number): Promise<void> {
  const deadline = performance.now() + limitMs;
  for (;;) {
    try {
      await pool.query('SELECT 1');
      return;
    } catch (error) {
      if (performance.now() > deadline)
        throw new Error(`the database did not answer within ${limitMs / 1000} s: ${(error as Error).message}`, {
          cause: error,
        });
      await delay(100);
    }
  }
}

async function inTransaction<T>(pool: Pool, work: (tx: Queries) => Promise<T>): Promise<T> {
  const client = await pool.connect();
  let broken: Error | undefined;
  // A connection that dies between two queries says so by an event; the next query then fails by itself.
  const lost = (error: Error): void => {
    broken = error;
  };
  client.on('error', lost);
  try {
    await client.query('BEGIN');
    const result = await work(queriesOf((sql, params) => client.query(sql, params)));
    await client.query('COMMIT');
    return result;
  } catch (error) {
    await client.query('ROLLBACK').catch(lost); // the connection is gone, and the server rolls back by itself
    throw error;
  } finally {
    client.off('error', lost);
    client.release(broken);
  }
}

/** Any fixed number: two processes of one service that start together migrate one after the other. */
const MIGRATION_LOCK = 7_230_011;

async function migrate(pool: Pool, schema: string, migrations: readonly Migration[]): Promise<void> {
  if (!/^[a-z][a-z0-9_]*$/.test(schema)) throw new Error(`"${schema}" is no schema name`);
  await inTransaction(pool, async (tx) => {
    await tx.query('SELECT pg_advisory_xact_lock($1)', [MIGRATION_LOCK]);
    await tx.query(`CREATE SCHEMA IF NOT EXISTS ${schema}`);
    await tx.query(
      `CREATE TABLE IF NOT EXISTS ${schema}.migrations (id integer PRIMARY KEY, name text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())`,
    );
    const row = await tx.one<{ newest: number }>(`SELECT coalesce(max(id), 0) AS newest FROM ${schema}.migrations`);
    const newest = row?.newest ?? 0;
    const known = migrations.at(-1)?.id ?? 0;
    if (newest > known) {
      throw new Error(
        `the database holds schema ${newest} of "${schema}", this version knows ${known}: start the newer version`,
      );
    }
    for (const migration of migrations.filter(({ id }) => id > newest)) {
      await tx.query(migration.sql);
      await tx.query(`INSERT INTO ${schema}.migrations (id, name) VALUES ($1, $2)`, [migration.id, migration.name]);
    }
  });
}
