import { createHash, timingSafeEqual } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type CallerName, edgesTo, type ServiceName, scopesOf } from '@secai/topology';
import { ConfigError } from './config.ts';

/** Who made a request. */
export interface Caller {
  /** Edge caller, `human` for a browser session, `key:<id>` for an API key, `anyone` on open routes. */
  name: string;
  scopes: readonly string[];
}

export function hashToken(token: string): string {
  return `sha256:${createHash('sha256').update(token).digest('hex')}`;
}

/** Knows the callers of one service by the hash of their tokens; the tokens themselves never rest here. */
export class CallerTable {
  readonly #callers: { caller: Caller; hash: Buffer }[];

  constructor(service: ServiceName, hashes: Record<string, string>) {
    this.#callers = edgesTo(service).map((edge) => {
      const hash = hashes[edge.from];
      if (!hash || !/^sha256:[0-9a-f]{64}$/.test(hash))
        throw new ConfigError(
          `SECAI_CALLERS has no token hash for ${edge.from}, which the topology lets call ${service}`,
        );
      return {
        caller: { name: edge.from, scopes: scopesOf(edge.from, service) },
        hash: Buffer.from(hash.slice(7), 'hex'),
      };
    });
  }

  static async load(service: ServiceName, file: string): Promise<CallerTable> {
    let hashes: unknown;
    try {
      hashes = JSON.parse(await readFile(file, 'utf8'));
    } catch (error) {
      throw new ConfigError(`SECAI_CALLERS: ${file} cannot be read (${(error as Error).message})`);
    }
    return new CallerTable(service, hashes as Record<string, string>);
  }

  /** The caller whose token this is, or null. Compares with every entry in constant time. */
  identify(token: string): Caller | null {
    const hash = createHash('sha256').update(token).digest();
    let found: Caller | null = null;
    for (const entry of this.#callers) if (timingSafeEqual(entry.hash, hash)) found = entry.caller;
    return found;
  }
}

/** The bare token of an edge. A missing or malformed file stops the start: a service without identity must not run. */
export async function loadToken(dir: string, from: CallerName, to: ServiceName): Promise<string> {
  const file = join(dir, `${from}--${to}`);
  let token: string;
  try {
    token = (await readFile(file, 'utf8')).trim();
  } catch (error) {
    throw new ConfigError(
      `the token of the edge ${from} → ${to} is missing: ${file} (${(error as NodeJS.ErrnoException).code})`,
    );
  }
  if (!/^[A-Za-z0-9_-]{43}$/.test(token))
    throw new ConfigError(`${file} does not hold a token (43 base64url characters)`);
  return token;
}

/** The bearer token of an Authorization header, or null. */
export function bearer(header: string | undefined): string | null {
  return header?.match(/^Bearer ([A-Za-z0-9._~+/=-]{1,512})$/i)?.[1] ?? null;
}
