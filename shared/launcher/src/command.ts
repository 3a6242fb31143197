import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { edgesFrom, type Service, serviceByName } from '@secai/topology';
import type { Home } from './home.ts';

export interface CommandOptions {
  /** The checkout. */
  root: string;
  home: Home;
  portOffset: number;
  /** Postgres-compatible server instead of the embedded store. */
  databaseUrl?: string;
  /** The launcher's own environment: a few variables are handed on. */
  env: Record<string, string | undefined>;
}

export interface Command {
  command: string;
  args: string[];
  env: Record<string, string>;
  cwd: string;
}

/** Folders of the checkout with code; everything else, above all other services' state, stays unreadable. */
const CODE = ['services', 'shared', 'node_modules', 'package.json'];

const USES_WASM: string[] = ['store', 'policy-engine'];

/** How to start one service: Node with its permission model shut to the service's own code and folders. */
export function commandFor(service: Service, options: CommandOptions): Command {
  const { root, home } = options;
  const read = [
    ...CODE.map((part) => join(root, part)),
    join(home.callers, `${service.name}.json`),
    join(home.keys, `${service.name}.audit.pem`),
  ];
  const write = [home.stateOf(service.name), home.auditOf(service.name)];
  for (const edge of edgesFrom(service.name)) read.push(join(home.tokens, `${edge.from}--${edge.to}`));
  for (const volume of service.volumes) (volume.access === 'rw' ? write : read).push(home.volume(volume.name));
  if (service.name === 'store') write.push(home.run);
  // The engine sandbox looks for its tools and reads /proc to watch memory.
  if (service.allow.includes('child-process')) read.push('/usr', '/bin', '/proc', '/sys/fs/cgroup');
  const args = [
    '--permission',
    ...[...read, ...write].map((path) => `--allow-fs-read=${path}`),
    ...write.map((path) => `--allow-fs-write=${path}`),
    ...service.allow.map((name) => `--allow-${name}`),
    '--max-semi-space-size=1',
    // Without V8's optimising WebAssembly compiler PGlite needs half the memory and Cedar 43 MB less, and both start faster.
    ...(USES_WASM.includes(service.name) ? ['--liftoff-only'] : []),
    '--disable-warning=ExperimentalWarning',
    '--disable-warning=SecurityWarning',
    entryOf(root, service.name),
  ];
  return { command: process.execPath, args, env: environmentOf(service, options), cwd: root };
}

/** The bundle when `npm start` built one, else the source. */
function entryOf(root: string, name: string): string {
  const bundle = join(root, 'services', name, 'dist', 'main.js');
  return existsSync(bundle) ? bundle : join(root, 'services', name, 'src', 'main.ts');
}

function environmentOf(service: Service, options: CommandOptions): Record<string, string> {
  const { home, portOffset } = options;
  const env: Record<string, string> = {
    PATH: options.env['PATH'] ?? '/usr/bin:/bin',
    LANG: 'C.UTF-8',
    NODE_ENV: 'production',
    SECAI_LISTEN: `127.0.0.1:${service.port + portOffset}`,
    SECAI_TOKENS: home.tokens,
    SECAI_CALLERS: join(home.callers, `${service.name}.json`),
    SECAI_STATE_DIR: home.stateOf(service.name),
    SECAI_AUDIT_DIR: home.auditOf(service.name),
    SECAI_AUDIT_KEY: join(home.keys, `${service.name}.audit.pem`),
    SECAI_MODE: 'evaluation',
    SECAI_LIFELINE: '1',
    SECAI_LOG_LEVEL: options.env['SECAI_LOG_LEVEL'] ?? 'info',
  };
  for (const edge of edgesFrom(service.name)) {
    env[`SECAI_PEER_${edge.to.toUpperCase().replaceAll('-', '_')}`] =
      `http://127.0.0.1:${serviceByName(edge.to).port + portOffset}`;
  }
  for (const volume of service.volumes) env[`SECAI_DIR_${volume.name.toUpperCase()}`] = home.volume(volume.name);
  if (service.sql) env['DATABASE_URL'] = options.databaseUrl ?? socketUrl(home.run);
  if (service.name === 'store') env['SECAI_SOCKET_DIR'] = home.run;
  if (service.name === 'ui' && options.env['SECAI_PASSPHRASE'])
    env['SECAI_PASSPHRASE'] = options.env['SECAI_PASSPHRASE'];
  if (service.allow.includes('child-process') && options.env['SECAI_LLAMA_SERVER'])
    env['SECAI_LLAMA_SERVER'] = options.env['SECAI_LLAMA_SERVER'];
  return env;
}

/** Postgres address of the embedded store's unix socket in `dir`. */
export function socketUrl(dir: string): string {
  return `postgres://secai@localhost/postgres?host=${encodeURIComponent(dir)}`;
}
