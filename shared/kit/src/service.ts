import { once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type AuditLog, openAuditLog } from '@secai/audit';
import { type Client, type Contract, contracts, createClient, type Routes } from '@secai/contracts';
import { ensureDir } from '@secai/files';
import { loadSigningKey } from '@secai/signing';
import { edgesFrom, type ServiceName } from '@secai/topology';
import type { z } from 'zod';
import { type AppOptions, createApp, type Handlers } from './app.ts';
import { type Clock, systemClock } from './clock.ts';
import { type BaseConfig, baseEnv, type Environment, peerAddress, readEnv } from './config.ts';
import { CallerTable, loadToken } from './identity.ts';
import { createLogger, type Logger } from './logger.ts';
import { type PolicyGate, policyGate } from './policy.ts';

type ContractTable = typeof contracts;
export type Peers = { [K in keyof ContractTable]: Client<ContractTable[K]['routes']> };

/** What a service gets from the kit to build itself with. */
export interface ServiceContext<C = BaseConfig> {
  config: C & BaseConfig;
  logger: Logger;
  clock: Clock;
  audit: AuditLog;
  /** Clients of the services the topology lets this one call; touching another one throws. */
  peers: Peers;
  policy: PolicyGate;
  /** Aborts when the service is told to stop. */
  stopping: AbortSignal;
  version: string;
}

export interface ServiceParts<R extends Routes> {
  handlers: Handlers<R>;
  readiness?: AppOptions<R>['readiness'];
  authenticators?: AppOptions<R>['authenticators'];
  headers?: AppOptions<R>['headers'];
  mount?: AppOptions<R>['mount'];
  foreignProblem?: AppOptions<R>['foreignProblem'];
  /** Releases what the service holds; called after the last request, within the 5 s of a stop. */
  stop?: () => Promise<void>;
}

export interface ServiceDefinition<R extends Routes, E extends z.ZodObject> {
  contract: Contract<R>;
  /** Variables of its own, beside those every service has. */
  env?: E;
  create(context: ServiceContext<z.output<E>>): Promise<ServiceParts<R>>;
}

/** Overrides for tests. */
export interface StartOptions {
  env: Environment;
  clock?: Clock;
}

export interface RunningService {
  /** e.g. `http://127.0.0.1:8470` */
  url: string;
  server: Server;
  logger: Logger;
  /** Stops within 5 s: no new requests, running ones get 3 s, then they are cut. */
  stop(): Promise<void>;
}

export const VERSION = '0.1.0';
const GRACE_MS = 3000;

/** Declares a service; keeps the types of contract, variables and handlers together. */
export function defineService<R extends Routes, E extends z.ZodObject = z.ZodObject>(
  definition: ServiceDefinition<R, E>,
): ServiceDefinition<R, E> {
  return definition;
}

/** Starts a service from its environment. Throws ConfigError, or what `create` throws; nothing is left running then. */
export async function startService<R extends Routes, E extends z.ZodObject>(
  definition: ServiceDefinition<R, E>,
  options: StartOptions,
): Promise<RunningService> {
  const { contract } = definition;
  const name = contract.service;
  const config = {
    ...readEnv(baseEnv, options.env),
    ...(definition.env ? readEnv(definition.env, options.env) : {}),
  } as z.output<E> & BaseConfig;
  const logger = createLogger(name, config.SECAI_LOG_LEVEL);
  const clock = options.clock ?? systemClock;
  const callers = await CallerTable.load(name, config.SECAI_CALLERS);
  const peers = onlyKnown(name, await connectPeers(name, config.SECAI_TOKENS, options.env));
  await ensureDir(config.SECAI_STATE_DIR);
  await ensureDir(config.SECAI_AUDIT_DIR);
  const audit = await openAuditLog({
    dir: config.SECAI_AUDIT_DIR,
    origin: `secai/${name}`,
    key: await loadSigningKey(config.SECAI_AUDIT_KEY),
    now: () => clock.now(),
  });
  const stopping = new AbortController();
  let parts: ServiceParts<R> | undefined;
  let server: Server | undefined;
  try {
    const policy = policyGate(
      (name === 'policy-engine' ? undefined : peers['policy-engine']) as Peers['policy-engine'],
    );
    parts = await definition.create({
      config,
      logger,
      clock,
      audit,
      peers,
      policy,
      stopping: stopping.signal,
      version: VERSION,
    });
    const { app } = createApp({
      contract,
      ...parts,
      callers,
      logger,
      version: VERSION,
      stopping: stopping.signal,
      onUnauthorized: unauthorizedReporter(audit, logger, clock),
    });
    await audit.append({ event: 'service_started', version: VERSION });
    server = app.listen(config.SECAI_LISTEN.port, config.SECAI_LISTEN.host);
    await once(server, 'listening');
  } catch (error) {
    server?.close();
    await parts?.stop?.();
    await audit.close();
    throw error;
  }
  server.requestTimeout = 0; // a 20 GB upload may take hours; headers keep their own limit
  server.headersTimeout = 20_000;
  server.keepAliveTimeout = 30_000;
  const listening = server;
  const { port } = server.address() as AddressInfo;
  logger.info({ port }, 'ready');

  let stopped: Promise<void> | undefined;
  const stop = async (): Promise<void> => {
    stopping.abort();
    const closed = new Promise((resolve) => listening.close(resolve));
    // A kept connection that is busy now becomes idle when its answer is out; nobody else closes it then.
    const sweep = setInterval(() => listening.closeIdleConnections(), 50);
    listening.closeIdleConnections();
    const cut = setTimeout(() => listening.closeAllConnections(), GRACE_MS);
    await closed;
    clearInterval(sweep);
    clearTimeout(cut);
    await parts?.stop?.();
    await audit
      .append({ event: 'service_stopped' })
      .catch((error: unknown) => logger.error({ err: error as Error }, 'audit_failed'));
    await audit.close();
    logger.info('stopped');
  };
  return { url: `http://${config.SECAI_LISTEN.host}:${port}`, server, logger, stop: () => (stopped ??= stop()) };
}

async function connectPeers(name: ServiceName, tokens: string, env: Environment): Promise<Record<string, unknown>> {
  const clients: Record<string, unknown> = {};
  for (const edge of edgesFrom(name)) {
    const contract = (contracts as Record<string, Contract>)[edge.to];
    if (!contract) continue;
    const token = await loadToken(tokens, name, edge.to);
    clients[edge.to] = createClient(contract, { baseUrl: peerAddress(env, edge.to), token });
  }
  return clients;
}

/** Touching a peer without an edge is a mistake in the code, so it throws. */
function onlyKnown(name: ServiceName, clients: Record<string, unknown>): Peers {
  return new Proxy(clients, {
    get(target, peer) {
      const client = target[String(peer)];
      if (!client) throw new Error(`the topology has no edge ${name} → ${String(peer)}`);
      return client;
    },
  }) as unknown as Peers;
}

/** Records refused callers, at most one per caller, route and second, so that a flood cannot fill the disk. */
function unauthorizedReporter(audit: AuditLog, logger: Logger, clock: Clock) {
  const last = new Map<string, number>();
  return (event: { route: string; caller: string; reason: string }): void => {
    const key = `${event.route} ${event.caller} ${event.reason}`;
    const now = clock.now();
    if (now - (last.get(key) ?? Number.NEGATIVE_INFINITY) < 1000) return;
    if (last.size > 1000) last.clear();
    last.set(key, now);
    logger.warn(event, 'unauthorized_access');
    audit
      .append({ event: 'unauthorized_access', ...event })
      .catch((error: unknown) => logger.error({ err: error as Error }, 'audit_failed'));
  };
}
