/** One writer per log: a lock that the kernel drops when its holder dies, however it dies. */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { stat } from 'node:fs/promises';
import { createServer } from 'node:net';
import { AuditError } from './error.ts';

export type Unlock = () => Promise<void>;

/**
 * Takes the lock of the log in `dir`, or throws AuditError `locked`. It is an abstract Unix socket named after the
 * folder's inode, so it holds between processes of one network namespace on Linux; elsewhere nothing is locked.
 */
export async function lockLog(dir: string): Promise<Unlock> {
  if (process.platform !== 'linux') return async () => {};
  const { dev, ino } = await stat(dir, { bigint: true });
  const name = createHash('sha256').update(`${dev}:${ino}`).digest('hex');
  const server = createServer((socket) => socket.destroy());
  server.listen(`\0secai-audit-${name}`);
  try {
    await once(server, 'listening');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw cause;
    throw new AuditError('locked', `another process is writing the audit log in ${dir}; stop it first`, { cause });
  }
  server.unref();
  return async () => {
    const closed = once(server, 'close');
    server.close();
    await closed;
  };
}
