import { readFile } from 'node:fs/promises';
import { request } from 'node:http';
import { join } from 'node:path';
import { contracts as all, type Client, type Contract, createClient } from '@secai/contracts';
import type { ServiceRow } from '@secai/launcher';
import { type ServiceName, serviceByName } from '@secai/topology';
import { CliError, EXIT } from './errors.ts';

type Contracts = typeof all;

export interface LauncherStatus {
  pid: number;
  port_offset: number;
  services: ServiceRow[];
}

/** The running stack as the operator sees it: its launcher's socket and the operator's tokens. */
export class Machine {
  readonly home: string;
  readonly #env: Record<string, string | undefined>;

  constructor(home: string, env: Record<string, string | undefined>) {
    this.home = home;
    this.#env = env;
  }

  /** What the launcher says. Throws CliError with exit code 3 when nothing runs on this home. */
  status(): Promise<LauncherStatus> {
    return new Promise((resolve, reject) => {
      const failed = (): void =>
        reject(new CliError(EXIT.notRunning, `nothing runs on ${this.home}; start it with \`npm start\``));
      const call = request({ socketPath: join(this.home, 'run', 'launcher.sock'), timeout: 3000 }, async (res) => {
        const chunks: Buffer[] = [];
        for await (const chunk of res) chunks.push(chunk as Buffer);
        resolve(JSON.parse(Buffer.concat(chunks).toString()) as LauncherStatus);
      });
      call.once('error', failed).once('timeout', failed).end();
    });
  }

  async token(service: ServiceName): Promise<string> {
    const file = join(this.home, 'tokens', `operator--${service}`);
    try {
      return (await readFile(file, 'utf8')).trim();
    } catch {
      throw new CliError(
        EXIT.notRunning,
        `there is no operator token at ${file}; start the stack once with \`npm start\``,
      );
    }
  }

  async address(service: ServiceName): Promise<string> {
    const offset = this.#env['SECAI_PORT_OFFSET']
      ? Number(this.#env['SECAI_PORT_OFFSET'])
      : (await this.status()).port_offset;
    return `http://127.0.0.1:${serviceByName(service).port + offset}`;
  }

  async portOffset(): Promise<number> {
    return (await this.status()).port_offset;
  }

  async client<S extends keyof Contracts>(service: S): Promise<Client<Contracts[S]['routes']>> {
    return createClient(all[service] as Contract, {
      baseUrl: await this.address(service),
      token: await this.token(service),
      deadlineMs: 10_000,
    }) as unknown as Client<Contracts[S]['routes']>;
  }
}
