import { readFile } from 'node:fs/promises';
import type { contracts, ui } from '@secai/contracts';
import type { Handlers } from '@secai/kit';
import { type Service, type ServiceName, services } from '@secai/topology';
import * as z from 'zod';
import type { Parts } from './parts.ts';

type Routes = (typeof ui)['routes'];
type State = Awaited<ReturnType<Handlers<Routes>['system']>>;
type PeerName = Exclude<keyof typeof contracts, 'ui'>;

const DECISIONS = 50;
const READY_MS = 2000;
/** Any route of each peer: from its address follows the service's. */
const A_ROUTE = {
  'policy-engine': 'digest',
  registry: 'list',
  quarantine: 'list',
  'inference-worker': 'status',
} as const satisfies Record<PeerName, string>;

const readiness = z.object({
  ready: z.boolean(),
  checks: z.record(z.string(), z.object({ ready: z.boolean(), detail: z.string() })),
});
const notices = z.array(z.string().max(1000)).max(50);

/** The state of the machine for the system page. What does not answer is shown as not ready, never left out. */
export function systemHandlers(parts: Parts): Pick<Handlers<Routes>, 'system'> {
  return {
    async system({ req, signal }) {
      const [states, decisions, shown] = await Promise.all([
        Promise.all(services.map((service) => stateOf(parts, service, req.socket.localPort ?? service.port, signal))),
        recentDecisions(parts, signal),
        readNotices(parts),
      ]);
      return {
        mode: parts.config.SECAI_MODE,
        version: parts.version,
        started_at: parts.startedAt,
        services: states,
        decisions,
        notices: shown,
      };
    },
  };
}

async function stateOf(
  parts: Parts,
  service: Service,
  ownPort: number,
  signal: AbortSignal,
): Promise<State['services'][number]> {
  const { name, summary, port } = service;
  if (name === 'ui') return { name, summary, port: ownPort, ready: true, detail: 'ok' };
  if (name === 'store') {
    const failed = await parts.store.ping().then(
      () => null,
      (error: Error) => error.message,
    );
    // The embedded store listens on a unix socket, which the address names as its host.
    const socket = parts.config.DATABASE_URL?.includes('?host=') ?? false;
    return { name, summary, port: socket ? null : port, ready: failed === null, detail: failed ?? 'ok' };
  }
  if (!isPeer(name)) return { name, summary, port, ready: false, detail: 'the page has no way to ask this service' };
  const client = parts.peers[name] as { address(route: string): string; readonly token: string };
  const url = new URL('/ready', client.address(A_ROUTE[name]));
  const state = await askReady(url, client.token, signal);
  return { name, summary, port: Number(url.port) || port, ...state };
}

function isPeer(name: ServiceName): name is PeerName {
  return name in A_ROUTE;
}

async function askReady(url: URL, token: string, signal: AbortSignal): Promise<{ ready: boolean; detail: string }> {
  try {
    const response = await fetch(url, {
      headers: { authorization: `Bearer ${token}` },
      redirect: 'error',
      signal: AbortSignal.any([signal, AbortSignal.timeout(READY_MS)]),
    });
    const { ready, checks } = readiness.parse(await response.json());
    const faults = Object.entries(checks)
      .filter(([, check]) => !check.ready)
      .map(([what, check]) => `${what}: ${check.detail}`);
    return { ready, detail: faults.length > 0 ? faults.join('; ') : 'ok' };
  } catch (error) {
    const cause = (error as Error).cause as NodeJS.ErrnoException | undefined;
    return { ready: false, detail: `it is not answering (${cause?.code ?? (error as Error).name})` };
  }
}

async function recentDecisions({ peers, logger }: Parts, signal: AbortSignal): Promise<State['decisions']> {
  try {
    const { decisions } = await peers['policy-engine'].decisions({ query: { limit: DECISIONS }, signal });
    return decisions.map(({ time, caller, domain, action, resource, decision, reason }) => ({
      time,
      caller,
      domain,
      action,
      resource,
      decision,
      reason,
    }));
  } catch (error) {
    logger.warn({ err: error as Error }, 'decisions_not_read');
    return [];
  }
}

async function readNotices({ config, logger }: Parts): Promise<string[]> {
  if (config.SECAI_NOTICES_FILE === undefined) return [];
  try {
    return notices.parse(JSON.parse(await readFile(config.SECAI_NOTICES_FILE, 'utf8')));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') logger.warn({ err: error as Error }, 'notices_not_read');
    return [];
  }
}
