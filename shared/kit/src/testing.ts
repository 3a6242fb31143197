/** Test support: the environment of one service with fresh tokens and keys in a temporary folder. */
import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generatePrivateKeyPem } from '@secai/signing';
import { type CallerName, edgesFrom, edgesTo, type ServiceName } from '@secai/topology';
import type { Environment } from './config.ts';
import { hashToken } from './identity.ts';

export interface TestEnvironment {
  env: Environment;
  dir: string;
  /** The bare token with which `caller` calls the service. */
  tokenOf(caller: CallerName): string;
  remove(): Promise<void>;
}

/**
 * Environment for starting `service` on a free port of loopback. `peers` gives the addresses of the services it calls
 * and the tokens they accept; peers that are not given point at a closed port.
 */
export async function testEnvironment(
  service: ServiceName,
  peers: Partial<Record<ServiceName, { url: string; token: string }>> = {},
  extra: Environment = {},
): Promise<TestEnvironment> {
  const dir = await mkdtemp(join(tmpdir(), `secai-${service}-`));
  const tokensDir = join(dir, 'tokens');
  await mkdir(tokensDir);
  const env: Environment = {
    SECAI_LISTEN: '127.0.0.1:0',
    SECAI_TOKENS: tokensDir,
    SECAI_CALLERS: join(dir, 'callers.json'),
    SECAI_STATE_DIR: join(dir, 'state'),
    SECAI_AUDIT_DIR: join(dir, 'audit'),
    SECAI_AUDIT_KEY: join(dir, 'audit.pem'),
    SECAI_LOG_LEVEL: 'silent',
    ...extra,
  };
  for (const edge of edgesFrom(service)) {
    const peer = peers[edge.to];
    env[`SECAI_PEER_${edge.to.toUpperCase().replaceAll('-', '_')}`] = peer?.url ?? 'http://127.0.0.1:1';
    await writeFile(join(tokensDir, `${service}--${edge.to}`), peer?.token ?? newToken(), { mode: 0o600 });
  }
  const tokens = new Map<string, string>(edgesTo(service).map((edge) => [edge.from, newToken()]));
  await writeFile(
    join(dir, 'callers.json'),
    JSON.stringify(Object.fromEntries([...tokens].map(([caller, token]) => [caller, hashToken(token)]))),
  );
  await writeFile(join(dir, 'audit.pem'), generatePrivateKeyPem(), { mode: 0o600 });
  return {
    env,
    dir,
    tokenOf(caller) {
      const token = tokens.get(caller);
      if (!token) throw new Error(`the topology has no edge ${caller} → ${service}`);
      return token;
    },
    remove: () => rm(dir, { recursive: true, force: true }),
  };
}

function newToken(): string {
  return randomBytes(32).toString('base64url');
}
