/** Test support: real services as child processes, which can be killed and started again. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { type Client, type Contract, contracts, createClient } from '@secai/contracts';
import { type TestEnvironment, testEnvironment } from '@secai/kit/testing';
import { type CallerName, serviceByName } from '@secai/topology';

type HttpService = keyof typeof contracts;
type ClientOf<S extends HttpService> = Client<(typeof contracts)[S]['routes']>;

const root = resolve(import.meta.dirname, '../../../..');

export class ServiceProcess<S extends HttpService> {
  readonly name: S;
  readonly environment: TestEnvironment;
  #child: ChildProcess | undefined;
  #port: number | undefined;
  /** What the process wrote to stderr. */
  errors = '';

  private constructor(name: S, environment: TestEnvironment) {
    this.name = name;
    this.environment = environment;
  }

  /** Prepares and starts a service whose peers are `peers`. */
  static async start<S extends HttpService>(
    name: S,
    peers: ServiceProcess<HttpService>[] = [],
    extra: Record<string, string> = {},
  ): Promise<ServiceProcess<S>> {
    const table = Object.fromEntries(
      peers.map((peer) => [peer.name, { url: peer.url, token: peer.environment.tokenOf(name) }]),
    );
    const environment = await testEnvironment(name, table, { SECAI_LOG_LEVEL: 'info', ...extra });
    const service = new ServiceProcess(name, environment);
    await service.start();
    return service;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  get pid(): number {
    return this.#child!.pid!;
  }

  client(caller: CallerName, deadlineMs = 10_000): ClientOf<S> {
    return createClient(contracts[this.name] as Contract, {
      baseUrl: this.url,
      token: this.environment.tokenOf(caller),
      deadlineMs,
    }) as unknown as ClientOf<S>;
  }

  /** Starts the process, on the port of the last time; resolves when it answers requests. */
  async start(): Promise<void> {
    const env = { ...this.environment.env, ...(this.#port && { SECAI_LISTEN: `127.0.0.1:${this.#port}` }) };
    // Node's permission flags cover a folder's content only when the folder is there at the start.
    for (const folder of this.#folders()) await mkdir(folder.path, { recursive: true });
    const child = spawn(process.execPath, [...this.#permissions(), join(root, 'services', this.name, 'src/main.ts')], {
      env: {
        PATH: process.env['PATH'],
        // It ends with this process, whatever this process ends of.
        SECAI_LIFELINE: '1',
        ...env,
      } as NodeJS.ProcessEnv,
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    this.#child = child;
    child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.errors = (this.errors + text).slice(-20_000);
    });
    for await (const line of createInterface({ input: child.stdout! })) {
      const event = JSON.parse(line) as { event?: string; port?: number };
      if (event.event !== 'ready') continue;
      this.#port = event.port!;
      child.stdout!.resume();
      return;
    }
    throw new Error(`${this.name} did not start: ${this.errors}`);
  }

  /** The flags with which the launcher shuts a service in. */
  #permissions(): string[] {
    const { dir } = this.environment;
    const { allow } = serviceByName(this.name);
    const folders = this.#folders();
    const code = ['services', 'shared', 'node_modules', 'package.json'].map((part) => join(root, part));
    const tools = allow.includes('child-process') ? ['/usr', '/bin', '/proc', '/sys/fs/cgroup'] : [];
    const read = [...code, ...tools, dir, ...folders.map(({ path }) => path)];
    const write = [dir, ...folders.filter(({ access }) => access === 'rw').map(({ path }) => path)];
    return [
      '--permission',
      ...read.map((path) => `--allow-fs-read=${path}`),
      ...write.map((path) => `--allow-fs-write=${path}`),
      ...allow.map((name) => `--allow-${name}`),
      '--max-semi-space-size=1',
      '--disable-warning=ExperimentalWarning',
      '--disable-warning=SecurityWarning',
    ];
  }

  #folders() {
    const { env } = this.environment;
    const { volumes } = serviceByName(this.name);
    return volumes.map(({ name, access }) => ({ path: env[`SECAI_DIR_${name.toUpperCase()}`]!, access }));
  }

  /** Ends the process by `signal` and waits for its end; returns its exit status. */
  async end(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return child?.exitCode ?? null;
    const closed = once(child, 'exit');
    child.kill(signal);
    const [code] = (await closed) as [number | null];
    return code;
  }

  async restart(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    await this.end(signal);
    await this.start();
  }

  async remove(): Promise<void> {
    await this.end('SIGKILL');
    await this.environment.remove();
  }
}

/** A call without the typed client, for requests that no client of ours would make. */
export async function call(
  service: ServiceProcess<HttpService>,
  caller: CallerName,
  path: string,
  init: RequestInit = {},
): Promise<{ status: number; body: Record<string, unknown> }> {
  const headers = { authorization: `Bearer ${service.environment.tokenOf(caller)}`, ...init.headers };
  const response = await fetch(`${service.url}${path}`, { ...init, headers });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}
