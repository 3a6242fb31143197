import { readFile, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { type Service, services, startOrder } from '@secai/topology';
import { commandFor } from './command.ts';
import { type Home, homeAt, prepareHome } from './home.ts';
import { takeLock } from './lock.ts';
import { LogFile, readableLine } from './logs.ts';
import { holderOfPort, portIsFree } from './ports.ts';
import { Supervised } from './supervised.ts';
import { rowOf, type ServiceRow } from './table.ts';

export class PortTaken extends Error {
  override name = 'PortTaken';
}

export interface LauncherOptions {
  /** The checkout. */
  root: string;
  /** SECAI_HOME. */
  home: string;
  portOffset: number;
  databaseUrl?: string;
  env: Record<string, string | undefined>;
  /** Longest pause between restarts of a crashing service; default 10 s. */
  longestBackoffMs?: number;
  print(line: string): void;
}

const READY_MS = 60_000;

/** All services of the topology on this machine, as processes. */
export class Launcher {
  readonly home: Home;
  readonly #options: LauncherOptions;
  readonly #supervised = new Map<string, Supervised>();
  readonly #logs = new Map<string, LogFile>();
  #release: (() => Promise<void>) | null = null;
  #control: Server | null = null;
  #tokens = new Map<string, string>();

  constructor(options: LauncherOptions) {
    this.#options = options;
    this.home = homeAt(options.home);
  }

  /** Starts everything and resolves when all is ready. Throws AlreadyRunning, PortTaken or what kept a service from starting; nothing runs then. */
  async start(): Promise<void> {
    await prepareHome(this.home);
    this.#release = await takeLock(this.home.root);
    try {
      await this.#checkPorts();
      for (const service of services) await this.#prepare(service);
      const started = new Map<string, Promise<void>>();
      for (const service of this.#needed()) {
        const needs = service.after.map((name) => started.get(name));
        started.set(
          service.name,
          Promise.all(needs).then(() => this.#supervised.get(service.name)!.start()),
        );
      }
      const results = await Promise.allSettled(started.values());
      const failed = results.find((result) => result.status === 'rejected');
      if (failed) throw failed.reason;
      this.#control = await this.#listen();
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  /** The embedded store is left out when DATABASE_URL names another server. */
  #needed(): Service[] {
    return startOrder().filter((service) => !(service.name === 'store' && this.#options.databaseUrl));
  }

  async #checkPorts(): Promise<void> {
    for (const service of this.#needed()) {
      if (service.name === 'store') continue;
      const port = service.port + this.#options.portOffset;
      if (port > 65535)
        throw new PortTaken(
          `SECAI_PORT_OFFSET=${this.#options.portOffset} puts ${service.name} on port ${port}; ports end at 65535`,
        );
      if (!(await portIsFree(port))) {
        throw new PortTaken(
          `port ${port} (${service.name}) is taken by ${holderOfPort(port)}; stop it, or set SECAI_PORT_OFFSET=1000 to move all ports`,
        );
      }
    }
  }

  async #prepare(service: Service): Promise<void> {
    const { root, portOffset, databaseUrl, env } = this.#options;
    const log = await LogFile.open(this.home.logs, service.name);
    this.#logs.set(service.name, log);
    const token = await readFile(join(this.home.tokens, `operator--${service.name}`), 'utf8').catch(() => '');
    this.#tokens.set(service.name, token.trim());
    const command = commandFor(service, { root, home: this.home, portOffset, databaseUrl, env });
    const supervised = new Supervised(service, command, {
      backoffMs: { first: 100, longest: this.#options.longestBackoffMs ?? 10_000 },
      readyMs: READY_MS,
      checkReady: (one) => this.#checkReady(one),
    });
    const prefix = service.name.padEnd(16);
    supervised.on('line', (_stream, line) => {
      log.write(line);
      this.#options.print(`${prefix} │ ${readableLine(line)}`);
    });
    supervised.on('state', (state) => {
      if (state === 'restarting' || state === 'failed')
        this.#options.print(`${prefix} │ ! ${state}: ${supervised.detail}`);
    });
    this.#supervised.set(service.name, supervised);
  }

  async #checkReady(service: Service): Promise<void> {
    if (service.name === 'store') return reachable(join(this.home.run, '.s.PGSQL.5432'));
    const url = `http://127.0.0.1:${service.port + this.#options.portOffset}/ready`;
    const response = await fetch(url, {
      headers: { authorization: `Bearer ${this.#tokens.get(service.name)}` },
      signal: AbortSignal.timeout(2000),
    });
    const state = (await response.json()) as {
      ready?: boolean;
      checks?: Record<string, { ready: boolean; detail: string }>;
    };
    if (state.ready) return;
    const open = Object.entries(state.checks ?? {}).filter(([, check]) => !check.ready);
    throw new Error(open.map(([name, check]) => `${name}: ${check.detail}`).join('; ') || `status ${response.status}`);
  }

  rows(): ServiceRow[] {
    return this.#needed().flatMap((service) => {
      const supervised = this.#supervised.get(service.name);
      return supervised ? [rowOf(supervised, this.#options.portOffset)] : [];
    });
  }

  /** `npx secai status` asks here; the socket's folder keeps other users out. */
  async #listen(): Promise<Server> {
    const path = join(this.home.run, 'launcher.sock');
    await rm(path, { force: true });
    const server = createServer((_req, res) => {
      res
        .setHeader('content-type', 'application/json')
        .end(JSON.stringify({ pid: process.pid, port_offset: this.#options.portOffset, services: this.rows() }));
    });
    await new Promise<void>((resolve, reject) => server.once('error', reject).listen(path, resolve));
    return server;
  }

  /** Stops everything in reverse order of start. Safe to call twice. */
  async stop(): Promise<void> {
    this.#control?.close();
    this.#control = null;
    const waiting = new Map<string, Promise<void>>();
    for (const service of startOrder().reverse()) {
      const users = services
        .filter((other) => other.after.includes(service.name))
        .map((other) => waiting.get(other.name));
      waiting.set(
        service.name,
        Promise.all(users).then(() => this.#supervised.get(service.name)?.stop()),
      );
    }
    await Promise.all(waiting.values());
    for (const log of this.#logs.values()) await log.close();
    this.#logs.clear();
    await rm(join(this.home.run, 'launcher.sock'), { force: true });
    await this.#release?.();
    this.#release = null;
  }
}

function reachable(socket: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const probe = connect(socket);
    probe.once('connect', () => {
      probe.destroy();
      resolve();
    });
    probe.once('error', reject);
  });
}
