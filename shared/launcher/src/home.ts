import { createHash, randomBytes } from 'node:crypto';
import { access, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ensureDir, writeDurable } from '@secai/files';
import { generatePrivateKeyPem } from '@secai/signing';
import { edges, edgesTo, type Service, services } from '@secai/topology';

/** Folders of a SECAI_HOME. */
export interface Home {
  root: string;
  tokens: string;
  callers: string;
  keys: string;
  run: string;
  logs: string;
  cache: string;
  stateOf(service: string): string;
  auditOf(service: string): string;
  volume(name: string): string;
}

export function homeAt(root: string): Home {
  return {
    root,
    tokens: join(root, 'tokens'),
    callers: join(root, 'callers'),
    keys: join(root, 'keys'),
    run: join(root, 'run'),
    logs: join(root, 'logs'),
    cache: join(root, 'cache'),
    stateOf: (service) => join(root, 'state', service),
    auditOf: (service) => join(root, 'audit', service),
    volume: (name) => join(root, name),
  };
}

/** Makes folders, edge tokens and keys that are missing; what exists is kept, so a restart keeps every identity. */
export async function prepareHome(home: Home): Promise<void> {
  await ensureDir(home.root);
  for (const dir of [home.tokens, home.callers, home.keys, home.run, home.logs, home.cache]) await ensureDir(dir);
  for (const service of services) {
    await ensureDir(home.stateOf(service.name));
    await ensureDir(home.auditOf(service.name));
    for (const volume of service.volumes) await ensureDir(home.volume(volume.name));
    await writeOnce(join(home.keys, `${service.name}.audit.pem`), generatePrivateKeyPem);
  }
  for (const edge of edges)
    await writeOnce(join(home.tokens, `${edge.from}--${edge.to}`), () => randomBytes(32).toString('base64url'));
  for (const service of services) await writeCallers(home, service);
}

async function writeOnce(path: string, make: () => string): Promise<void> {
  try {
    await access(path);
  } catch {
    await writeDurable(path, make(), 0o600);
  }
}

/** The callee gets the hashes of its callers' tokens, never the tokens. */
async function writeCallers(home: Home, service: Service): Promise<void> {
  const hashes: Record<string, string> = {};
  for (const edge of edgesTo(service.name)) {
    const token = (await readFile(join(home.tokens, `${edge.from}--${service.name}`), 'utf8')).trim();
    hashes[edge.from] = `sha256:${createHash('sha256').update(token).digest('hex')}`;
  }
  await writeDurable(join(home.callers, `${service.name}.json`), JSON.stringify(hashes), 0o600);
}
