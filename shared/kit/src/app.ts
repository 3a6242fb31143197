import { randomUUID } from 'node:crypto';
import type { Server } from 'node:http';
import {
  type Contract,
  Problem,
  problemCatalogue,
  type Route,
  type RouteInput,
  type RouteOutput,
  type Routes,
} from '@secai/contracts';
import express, { type Express, type NextFunction, type Request, type Response } from 'express';
import helmet from 'helmet';
import { collectDefaultMetrics, Histogram, Registry } from 'prom-client';
import { readJson, validate } from './body.ts';
import { bearer, type Caller, type CallerTable } from './identity.ts';
import type { Logger } from './logger.ts';
import { openApi } from './openapi.ts';

export interface HandlerContext<R extends Route> extends RouteInput<R> {
  caller: Caller;
  req: Request;
  res: Response;
  requestId: string;
  /** Aborts when the client goes away or the service stops. */
  signal: AbortSignal;
}

export type Handlers<R extends Routes> = {
  [K in keyof R]: (context: HandlerContext<R[K]>) => Promise<RouteOutput<R[K]>> | RouteOutput<R[K]>;
};

/** Turns a request into its caller for `session` and `key` routes; null means: not logged in. Throws Problem for anything else. */
export type Authenticator = (req: Request, route: Route) => Promise<Caller | null>;

export interface Readiness {
  ready: boolean;
  checks: Record<string, { ready: boolean; detail: string }>;
}

export interface AppOptions<R extends Routes> {
  contract: Contract<R>;
  handlers: Handlers<R>;
  callers: CallerTable;
  logger: Logger;
  version: string;
  authenticators?: { session?: Authenticator; key?: Authenticator };
  /** What readiness depends on; each throws with a reason when not ready. */
  readiness?: Record<string, () => Promise<void>>;
  /** Told about every refused identity or scope. */
  onUnauthorized: (event: { route: string; caller: string; reason: string }) => void;
  /** Sets response headers before anything else (the ui's content security policy). */
  headers?: (app: Express) => void;
  /** Adds what is no contract route, after them: static files of the ui. */
  mount?: (app: Express) => void;
  /** Turns a problem into the shape of a foreign API (OpenAI's errors). Null: the usual problem document. */
  foreignProblem?: (problem: Problem, req: Request) => object | null;
  stopping: AbortSignal;
}

const OWN_ROUTES = { ready: '/ready', metrics: '/metrics', openapi: '/openapi.json' } as const;

/** The express app of a service: the same order of checks for every route of every service. */
export function createApp<R extends Routes>(options: AppOptions<R>): { app: Express; metrics: Registry } {
  const { contract, handlers, logger } = options;
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  app.set('query parser', 'simple');
  app.set('case sensitive routing', true);
  app.set('strict routing', true);
  const metrics = new Registry();
  collectDefaultMetrics({ register: metrics });
  const duration = new Histogram({
    name: 'secai_http_request_duration_seconds',
    help: 'Time from request to the end of the answer',
    labelNames: ['route', 'status'],
    buckets: [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10, 60],
    registers: [metrics],
  });

  if (options.headers) options.headers(app);
  else
    app.use(helmet({ contentSecurityPolicy: { directives: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] } } }));
  app.use((_req, res, next) => {
    res.locals['requestId'] = randomUUID();
    res.setHeader('x-request-id', res.locals['requestId'] as string);
    next();
  });

  app.get('/health', (_req, res) => {
    res
      .setHeader('cache-control', 'no-store')
      .json({ status: 'ok', service: contract.service, version: options.version });
  });

  const operator = (handler: (res: Response) => Promise<void>) => async (req: Request, res: Response) => {
    authorizeEdge(options, req, req.path, undefined);
    await handler(res);
  };
  app.get(
    OWN_ROUTES.ready,
    operator(async (res) => {
      const state = await checkReadiness(options.readiness ?? {});
      res.status(state.ready ? 200 : 503).json(state);
    }),
  );
  app.get(
    OWN_ROUTES.metrics,
    operator(async (res) => {
      res.type(metrics.contentType).send(await metrics.metrics());
    }),
  );
  app.get(
    OWN_ROUTES.openapi,
    operator(async (res) => {
      res.json(openApi(contract, options.version));
    }),
  );

  const methods = new Map<string, string[]>();
  for (const [name, route] of Object.entries(contract.routes)) {
    methods.set(route.path, [...(methods.get(route.path) ?? []), route.method]);
    const handler = handlers[name] as unknown as (context: HandlerContext<Route>) => Promise<unknown>;
    const observe = (res: Response, started: bigint): void =>
      duration.labels(name, String(res.statusCode)).observe(Number(process.hrtime.bigint() - started) / 1e9);
    app[route.method.toLowerCase() as 'get'](route.path, async (req: Request, res: Response) => {
      const started = process.hrtime.bigint();
      res.once('close', () => observe(res, started));
      res.setHeader('cache-control', 'no-store');
      const gone = new AbortController();
      res.once('close', () => gone.abort());
      const caller = await authorize(options, name, route, req);
      const context: HandlerContext<Route> = {
        caller,
        req,
        res,
        requestId: res.locals['requestId'] as string,
        signal: AbortSignal.any([gone.signal, options.stopping]),
        params: route.params ? validate(route.params, { ...req.params }, 'path') : undefined,
        query: checkQuery(route, req),
        body: route.body && !route.rawBody ? await readJson(req, route) : undefined,
      } as HandlerContext<Route>;
      const result = await handler(context);
      if (!route.stream && !res.headersSent) res.status(route.status ?? 200).json(result ?? {});
    });
  }
  for (const [path, allowed] of methods) {
    app.all(path, (req, res) => {
      res.setHeader('allow', allowed.join(', '));
      throw new Problem('method_not_allowed', `${path} takes ${allowed.join(' or ')}, not ${req.method}`);
    });
  }
  options.mount?.(app);
  app.use((req) => {
    throw new Problem('not_found', `there is nothing at ${req.path.slice(0, 200)}`);
  });
  app.use((error: unknown, req: Request, res: Response, _next: NextFunction) => {
    const problem = toProblem(error);
    if (problem.code === 'internal')
      logger.error({ err: error, request_id: res.locals['requestId'] }, 'request_failed');
    sendProblem(options, problem, req, res);
  });
  return { app, metrics };
}

function checkQuery(route: Route, req: Request): unknown {
  if (route.query) return validate(route.query, { ...req.query }, 'query');
  const [extra] = Object.keys(req.query);
  if (extra !== undefined && (route.auth ?? 'edge') !== 'key')
    throw new Problem('unknown_field', `query.${extra}: there is no such field`);
  return undefined;
}

async function authorize<R extends Routes>(
  options: AppOptions<R>,
  name: string,
  route: Route,
  req: Request,
): Promise<Caller> {
  const auth = route.auth ?? 'edge';
  if (auth === 'open') return { name: 'anyone', scopes: [] };
  if (auth === 'edge') return authorizeEdge(options, req, name, route.scope);
  const caller = await options.authenticators?.[auth]?.(req, route);
  if (caller) return caller;
  options.onUnauthorized({ route: name, caller: 'unknown', reason: `no valid ${auth}` });
  throw new Problem(
    'unauthorized',
    auth === 'key' ? 'send a valid API key as "Authorization: Bearer …"' : 'log in first',
  );
}

function authorizeEdge<R extends Routes>(
  options: AppOptions<R>,
  req: Request,
  route: string,
  scope: string | undefined,
): Caller {
  const token = bearer(req.headers.authorization);
  const caller = token && options.callers.identify(token);
  if (!caller) {
    options.onUnauthorized({ route, caller: 'unknown', reason: token ? 'unknown token' : 'no token' });
    throw new Problem('unauthorized', 'send the token of an edge of the topology as "Authorization: Bearer …"');
  }
  if (scope !== undefined && !caller.scopes.includes(scope)) {
    options.onUnauthorized({ route, caller: caller.name, reason: `lacks scope ${scope}` });
    throw new Problem('forbidden', `${caller.name} may not do this here: it lacks the scope "${scope}"`);
  }
  return caller;
}

async function checkReadiness(checks: Record<string, () => Promise<void>>): Promise<Readiness> {
  const entries = await Promise.all(
    Object.entries(checks).map(async ([name, check]) => {
      try {
        await check();
        return [name, { ready: true, detail: 'ok' }] as const;
      } catch (error) {
        return [name, { ready: false, detail: (error as Error).message }] as const;
      }
    }),
  );
  return { ready: entries.every(([, check]) => check.ready), checks: Object.fromEntries(entries) };
}

function toProblem(error: unknown): Problem {
  if (error instanceof Problem) return error;
  const code = (error as NodeJS.ErrnoException | null)?.code;
  if (code === 'ENOSPC' || code === 'EDQUOT')
    return new Problem(
      'storage_full',
      'the disk is full; nothing was changed. Free some space and try again',
      {},
      error,
    );
  const status = (error as { status?: unknown } | null)?.status;
  // Express throws URIError with status 400 for addresses it cannot decode.
  if (status === 400) return new Problem('invalid_field', 'the address is not valid', {}, error);
  return new Problem(
    'internal',
    'the service met an error it did not expect; its log has the details under this request id',
    {},
    error,
  );
}

function sendProblem<R extends Routes>(options: AppOptions<R>, problem: Problem, req: Request, res: Response): void {
  if (res.headersSent || res.destroyed) {
    res.destroy();
    return;
  }
  // An unread body would otherwise be parsed as the next request.
  if (!req.complete) res.setHeader('connection', 'close');
  if (problem.code === 'unauthorized') res.setHeader('www-authenticate', 'Bearer');
  const foreign = options.foreignProblem?.(problem, req);
  if (foreign) {
    res.status(problem.status).json(foreign);
    return;
  }
  res
    .status(problem.status)
    .type('application/problem+json')
    .send(JSON.stringify(problemDocument(problem, res.locals['requestId'] as string)));
}

/** The wire form of a problem. */
export function problemDocument(problem: Problem, requestId?: string): object {
  return {
    type: `https://secai.invalid/problems/${problem.code}`,
    title: problemCatalogue[problem.code].title,
    status: problem.status,
    code: problem.code,
    detail: problem.message,
    ...(requestId && { request_id: requestId }),
    ...problem.extra,
  };
}

export type { Express, Request, Response, Server };
