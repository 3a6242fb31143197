/** Test support: a real PostgreSQL server of Debian's packages, on a unix socket in a temporary folder. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chown, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

export interface TestPostgres {
  databaseUrl: string;
  version: string;
  stop(): Promise<void>;
}

/**
 * Starts PostgreSQL with a new cluster. As root it runs as the `postgres` user that Debian's package makes, because
 * the server refuses to be root. Throws with what to install when there is none.
 */
export async function startPostgres(): Promise<TestPostgres> {
  const bin = await newestBin();
  const dir = await mkdtemp(join(tmpdir(), 'secai-pg-'));
  const root = process.getuid?.() === 0;
  const ids = root ? await idsOf('postgres') : undefined;
  if (ids) await chown(dir, ids.uid, ids.gid);
  const as = {
    ...(ids && { uid: ids.uid, gid: ids.gid }),
    cwd: dir,
    env: { PATH: process.env['PATH'] ?? '', LC_ALL: 'C.UTF-8' },
  };
  await run(
    join(bin, 'initdb'),
    ['-D', join(dir, 'data'), '-U', 'secai', '--auth=trust', '--encoding=UTF8', '--no-sync'],
    as,
  );
  await writeFile(
    join(dir, 'data', 'postgresql.auto.conf'),
    `listen_addresses = ''\nunix_socket_directories = '${dir}'\nmax_connections = 50\n`,
  );
  const server = spawn(join(bin, 'postgres'), ['-D', join(dir, 'data')], {
    ...as,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const closed = once(server, 'close');
  await new Promise<void>((resolve, reject) => {
    let log = '';
    server.stderr.setEncoding('utf8').on('data', (text: string) => {
      log += text;
      if (log.includes('ready to accept connections')) resolve();
    });
    server.once('close', () => reject(new Error(`postgres stopped: ${log.slice(-500)}`)));
  });
  return {
    databaseUrl: `postgres://secai@localhost/postgres?host=${encodeURIComponent(dir)}`,
    version: (await run(join(bin, 'postgres'), ['--version'])).stdout.trim(),
    async stop() {
      server.kill('SIGINT');
      await closed;
      await rm(dir, { recursive: true, force: true });
    },
  };
}

async function newestBin(): Promise<string> {
  const versions = (await readdir('/usr/lib/postgresql').catch(() => [])).map(Number).sort((a, b) => b - a);
  if (versions.length === 0)
    throw new Error('no PostgreSQL server here; `apt-get install postgresql` brings one (npm test does it)');
  return `/usr/lib/postgresql/${versions[0]}/bin`;
}

async function idsOf(user: string): Promise<{ uid: number; gid: number }> {
  const id = async (flag: string) => Number((await run('id', [flag, user])).stdout);
  return { uid: await id('-u'), gid: await id('-g') };
}
