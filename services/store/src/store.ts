import { chmod, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { PGlite } from '@electric-sql/pglite';
import { ensureDir } from '@secai/files';
import { ConfigError, createLogger, type Environment, readEnv } from '@secai/kit';
import * as z from 'zod';
import { WireServer } from './wire.ts';

const path = z.string().startsWith('/', 'an absolute path');
const env = z.object({
  SECAI_STATE_DIR: path,
  /** Folder of the socket; `.s.PGSQL.5432` lies in it, as every Postgres client expects. */
  SECAI_SOCKET_DIR: path,
  SECAI_LOG_LEVEL: z.enum(['debug', 'info', 'warn', 'error', 'silent']).default('info'),
});

/** Longest path of a unix socket on Linux (sun_path has 108 bytes with the closing NUL). */
const MAX_SOCKET_PATH = 107;

/**
 * The embedded store: one PGlite (PostgreSQL in WebAssembly) behind a unix socket that only this user can reach.
 * Returns its stop. Throws ConfigError when the socket's path is too long for the system.
 */
export async function startStore(environment: Environment): Promise<() => Promise<void>> {
  const config = readEnv(env, environment);
  const socket = join(config.SECAI_SOCKET_DIR, '.s.PGSQL.5432');
  const excess = Buffer.byteLength(socket) - MAX_SOCKET_PATH;
  if (excess > 0)
    throw new ConfigError(
      `SECAI_SOCKET_DIR: ${socket} is ${excess} bytes too long for a unix socket; choose a shorter SECAI_HOME`,
    );
  const logger = createLogger('store', config.SECAI_LOG_LEVEL);
  await ensureDir(config.SECAI_STATE_DIR);
  await ensureDir(config.SECAI_SOCKET_DIR);
  await rm(socket, { force: true }); // left by a killed store; the launcher's lock keeps a second one away
  const db = await PGlite.create({ dataDir: join(config.SECAI_STATE_DIR, 'pglite'), relaxedDurability: false });
  const server = new WireServer(db);
  await server.listen(socket);
  await chmod(socket, 0o600);
  logger.info('ready');
  return async () => {
    await server.close();
    await db.close();
    await rm(socket, { force: true });
    logger.info('stopped');
  };
}
