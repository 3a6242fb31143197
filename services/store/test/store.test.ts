import { mkdtemp, rm, stat } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Migration, openStore, type Store } from '@secai/store';
import { startPostgres } from '@secai/store/testing';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { verifies } from '../../../tests/claims.ts';
import { startStore } from '../src/store.ts';

const migrations: Migration[] = [
  { id: 1, name: 'notes', sql: 'CREATE TABLE probe.notes (id integer PRIMARY KEY, text text NOT NULL)' },
  { id: 2, name: 'tags', sql: "ALTER TABLE probe.notes ADD COLUMN tags text[] NOT NULL DEFAULT '{}'" },
];

/** The embedded store and a real server must pass the same suite. */
const servers = {
  'embedded PGlite': async () => {
    const dir = await mkdtemp(join(tmpdir(), 'secai-store-'));
    const env = { SECAI_STATE_DIR: dir, SECAI_SOCKET_DIR: dir, SECAI_LOG_LEVEL: 'silent' };
    const stop = await startStore(env);
    expect((await stat(join(dir, '.s.PGSQL.5432'))).mode & 0o777).toBe(0o600);
    return {
      databaseUrl: `postgres://secai@localhost/postgres?host=${encodeURIComponent(dir)}`,
      async stop() {
        await stop();
        await rm(dir, { recursive: true, force: true });
      },
    };
  },
  'real PostgreSQL': startPostgres,
};

verifies(['store.any-postgres'], () => {
  describe.each(Object.entries(servers))('%s', (_name, start) => {
    let server: { databaseUrl: string; stop(): Promise<void> };
    let store: Store;
    beforeAll(async () => {
      server = await start();
      store = await openStore({ databaseUrl: server.databaseUrl, schema: 'probe', migrations });
    });
    afterAll(async () => {
      await store?.close();
      await server?.stop();
    });

    it('migrates once, forward only, also when two processes start together', async () => {
      const [a, b] = await Promise.all(
        [1, 2].map(() =>
          openStore({
            databaseUrl: server.databaseUrl,
            schema: 'twice',
            migrations: [{ id: 1, name: 'a', sql: 'CREATE TABLE twice.a (id int)' }],
          }),
        ),
      );
      expect(await a!.query('SELECT id, name FROM twice.migrations')).toEqual([{ id: 1, name: 'a' }]);
      await a!.close();
      await b!.close();
      await expect(
        openStore({ databaseUrl: server.databaseUrl, schema: 'probe', migrations: migrations.slice(0, 1) }),
      ).rejects.toThrow('start the newer version');
    });

    it('leaves nothing of a failed transaction or migration', async () => {
      await expect(
        store.transaction(async (tx) => {
          await tx.query('INSERT INTO probe.notes (id, text) VALUES (1, $1)', ['kept?']);
          throw new Error('power cut');
        }),
      ).rejects.toThrow('power cut');
      expect(await store.one('SELECT * FROM probe.notes WHERE id = 1')).toBeNull();
      const bad = [...migrations, { id: 3, name: 'bad', sql: 'CREATE TABLE probe.extra (id int); SELECT nonsense' }];
      await expect(openStore({ databaseUrl: server.databaseUrl, schema: 'probe', migrations: bad })).rejects.toThrow(
        'nonsense',
      );
      expect(await store.one("SELECT to_regclass('probe.extra') AS name")).toEqual({ name: null });
    });

    it('keeps the parameters of interleaved queries and transactions of several clients apart', async () => {
      const stores = await Promise.all(
        Array.from({ length: 4 }, () => openStore({ databaseUrl: server.databaseUrl, schema: 'probe', migrations })),
      );
      try {
        await Promise.all(
          Array.from({ length: 200 }, async (_, i) => {
            const client = stores[i % stores.length]!;
            if (i % 2 === 0)
              expect(await client.one('SELECT $1::int AS n, $2::text AS t', [i, `t${i}`])).toEqual({
                n: i,
                t: `t${i}`,
              });
            else
              await client.transaction(async (tx) => {
                await tx.query('INSERT INTO probe.notes (id, text) VALUES ($1, $2)', [1000 + i, `n${i}`]);
                expect(await tx.one('SELECT text FROM probe.notes WHERE id = $1', [1000 + i])).toEqual({
                  text: `n${i}`,
                });
              });
          }),
        );
        expect(await store.one('SELECT count(*)::int AS n FROM probe.notes WHERE id >= 1000')).toEqual({ n: 100 });
      } finally {
        await Promise.all(stores.map((client) => client.close()));
      }
    });

    it('rolls back what a client leaves open when it dies, and lets the others go on', async () => {
      const dying = new Client({ connectionString: server.databaseUrl });
      dying.on('error', () => undefined);
      await dying.connect();
      await dying.query('BEGIN');
      await dying.query("INSERT INTO probe.notes (id, text) VALUES (77, 'never committed')");
      const waiting = store.query("INSERT INTO probe.notes (id, text) VALUES (78, 'after')");
      (dying as unknown as { connection: { stream: Socket } }).connection.stream.destroy();
      await waiting;
      expect(await store.query('SELECT id FROM probe.notes WHERE id IN (77, 78)')).toEqual([{ id: 78 }]);
    });

    it('goes on after errors in every phase of a statement', async () => {
      for (const [sql, params] of [
        ['SELECT nonsense', []],
        ['SELECT $1::int', ['x']],
        ['SELECT 1/$1::int', [0]],
        ['SELEC', []],
      ] as const) {
        await expect(store.query(sql, [...params])).rejects.toThrow(/nonsense|invalid input|division|syntax/);
      }
      await expect(
        store.transaction(async (tx) => {
          await tx.query('SELECT 1/0');
        }),
      ).rejects.toThrow('division');
      expect(await store.one('SELECT 1 AS n')).toEqual({ n: 1 });
    });

    it('says why when there is no server', async () => {
      await expect(
        openStore({
          databaseUrl: 'postgres://secai@localhost/x?host=/nonexistent',
          schema: 'probe',
          migrations,
          connectMs: 300,
        }),
      ).rejects.toThrow(/did not answer within 0.3 s.*ENOENT/);
    });
  });
});

it('survives a connection that dies between two queries of a transaction', async () => {
  const server = await startPostgres();
  const [store, killer] = await Promise.all(
    [1, 2].map(() => openStore({ databaseUrl: server.databaseUrl, schema: 'probe', migrations })),
  );
  try {
    await expect(
      store!.transaction(async (tx) => {
        const row = await tx.one<{ pid: number }>('SELECT pg_backend_pid() AS pid');
        await killer!.query('SELECT pg_terminate_backend($1, 5000)', [row?.pid]);
        await killer!.query('SELECT pg_sleep(0.1)'); // time for the news to reach the idle connection
        await tx.query('SELECT 1');
      }),
    ).rejects.toThrow(/terminat|closed|not queryable/i);
    expect(await store!.one('SELECT 1 AS n')).toEqual({ n: 1 });
  } finally {
    await Promise.all([store!.close(), killer!.close()]);
    await server.stop();
  }
});

it('refuses a socket path that the system would cut short', async () => {
  await expect(startStore({ SECAI_STATE_DIR: '/tmp', SECAI_SOCKET_DIR: `/tmp/${'x'.repeat(110)}` })).rejects.toThrow(
    'choose a shorter SECAI_HOME',
  );
});
