/** The contributor stack: `node containers/dev.ts up|down|logs …`. Makes the secrets of compose-dev.yml once, then runs podman-compose with the arguments given. */
import { spawnSync } from 'node:child_process';
import { createHash, generateKeyPairSync, randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { secretsOf, sqlRole } from '../shared/topology/src/emit/secrets.ts';
import { edges, edgesTo, serviceByName, services } from '../shared/topology/src/index.ts';
import { repository } from './src/paths.ts';

/**
 * Writes what compose-dev.yml names under `folder`; existing files stay. The folder is closed to other users; the files are
 * readable because each container reads its own few as its own uid.
 */
export function makeDevSecrets(folder: string): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const once = (name: string, make: () => string): string => {
    const file = join(folder, name);
    if (!existsSync(file)) writeFileSync(file, make(), { mode: 0o444 });
    return readFileSync(file, 'utf8');
  };
  const tokens = new Map(
    edges.map(({ from, to }) => [
      `${from}--${to}`,
      once(`${from}--${to}`, () => randomBytes(32).toString('base64url')),
    ]),
  );
  const digest = (text: string): string => `sha256:${createHash('sha256').update(text).digest('hex')}`;
  for (const service of services) {
    if (service.image !== 'node') continue;
    const callers = edgesTo(service.name).map((edge) => [edge.from, digest(tokens.get(`${edge.from}--${edge.to}`)!)]);
    once(`${service.name}.callers`, () => JSON.stringify(Object.fromEntries(callers)));
    once(`${service.name}.audit-key`, () =>
      generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    );
    if (!service.sql) continue;
    const role = sqlRole(service);
    const password = once(`postgres--${role}`, () => randomBytes(32).toString('hex'));
    const address = `postgres://${role}:${password}@store:${serviceByName('store').port}/${role}`;
    const variables = secretsOf(service).filter((secret) => secret.env);
    once(`${service.name}.env`, () => variables.map((secret) => `${secret.env}=${address}\n`).join(''));
  }
}

if (import.meta.main) {
  makeDevSecrets(join(repository, '.secai/dev-secrets'));
  const result = spawnSync('podman-compose', ['-f', 'compose-dev.yml', ...process.argv.slice(2)], {
    cwd: repository,
    stdio: 'inherit',
  });
  if (result.error)
    console.error('podman-compose is not installed; apt-get install podman-compose podman netavark runc');
  process.exitCode = result.status ?? 1;
}
