import { Agent, request } from 'node:http';
import type { Contract, Route, RouteArguments, RouteResult, Routes } from './contract.ts';
import { Problem, type ProblemCode, problemCatalogue, problemSchema } from './problems.ts';

export interface ClientOptions {
  /** e.g. `http://127.0.0.1:8470` */
  baseUrl: string;
  /** Bare bearer token. */
  token: string;
  /** How long a call may take before it counts as failed; default 2000 ms. */
  deadlineMs?: number;
}

type Method<R extends Route> =
  RouteArguments<R> extends { params?: undefined; query?: undefined; body?: undefined }
    ? (args?: CallOptions) => Promise<RouteResult<R>>
    : (args: RouteArguments<R> & CallOptions) => Promise<RouteResult<R>>;

export interface CallOptions {
  signal?: AbortSignal;
  deadlineMs?: number;
}

export type Client<R extends Routes> = { [K in keyof R]: Method<R[K]> } & {
  /** The address of a route, for streams that the caller reads itself. */
  address(name: keyof R, args?: { params?: Record<string, string>; query?: Record<string, unknown> }): string;
  readonly token: string;
};

interface AnyArguments extends CallOptions {
  params?: Record<string, string>;
  query?: Record<string, unknown>;
  body?: unknown;
}

/**
 * A typed client of a contract. Every call has a deadline and checks the answer against the contract.
 * Throws `Problem`: the callee's own, or `dependency_unavailable` when it does not answer or answers nonsense.
 */
export function createClient<R extends Routes>(contract: Contract<R>, options: ClientOptions): Client<R> {
  const client: Record<string, unknown> = {
    token: options.token,
    address: (name: string, args: AnyArguments = {}) => address(options.baseUrl, routeOf(contract, name), args),
  };
  for (const name of Object.keys(contract.routes)) {
    client[name] = (args: AnyArguments = {}) => call(contract, name, options, args);
  }
  return client as Client<R>;
}

function routeOf(contract: Contract, name: string): Route {
  const route = contract.routes[name];
  if (!route) throw new Error(`${contract.service} has no route ${name}`);
  return route;
}

function address(baseUrl: string, route: Route, args: AnyArguments): string {
  const path = route.path.replace(/:(\w+)/g, (_, key: string) => encodeURIComponent(args.params?.[key] ?? ''));
  const query = new URLSearchParams(
    Object.entries(args.query ?? {}).flatMap(([key, value]) =>
      value === undefined ? [] : [[key, String(value)] as [string, string]],
    ),
  ).toString();
  return `${baseUrl}${path}${query && `?${query}`}`;
}

async function call(contract: Contract, name: string, options: ClientOptions, args: AnyArguments): Promise<unknown> {
  const route = routeOf(contract, name);
  const deadlineMs = args.deadlineMs ?? options.deadlineMs ?? 2000;
  const unavailable = (why: string, cause?: unknown): Problem =>
    new Problem(
      'dependency_unavailable',
      `${contract.service} did not answer ${route.method} ${route.path}: ${why}`,
      {},
      cause,
    );
  let answer: Answer;
  try {
    answer = await send(
      route.method,
      address(options.baseUrl, route, args),
      options.token,
      args.body,
      deadlineMs,
      args.signal,
    );
  } catch (error) {
    if (args.signal?.aborted) throw error;
    throw unavailable((error as NodeJS.ErrnoException).code ?? (error as Error).message, error);
  }
  let json: unknown;
  try {
    json = JSON.parse(answer.text);
  } catch (error) {
    throw unavailable(`status ${answer.status} without JSON`, error);
  }
  if (answer.status < 200 || answer.status > 299) throw problemFrom(json) ?? unavailable(`status ${answer.status}`);
  if (!route.response) return undefined;
  const result = route.response.safeParse(json);
  if (!result.success) {
    const issue = result.error.issues[0];
    throw unavailable(`its answer breaks the contract (${issue?.path.join('.')}: ${issue?.message})`);
  }
  return result.data;
}

interface Answer {
  status: number;
  text: string;
}

/** One pool of kept connections per process. node:http takes half the time and memory of fetch here. */
const agent = new Agent({ keepAlive: true, maxSockets: 64 });
/** Far above any answer of a contract; a callee gone mad must not fill our memory. */
const MAX_ANSWER_BYTES = 64 * 1024 * 1024;

/** Redirects are not followed: no service of ours sends one. */
function send(
  method: string,
  url: string,
  token: string,
  body: unknown,
  deadlineMs: number,
  signal?: AbortSignal,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const text = body === undefined ? undefined : JSON.stringify(body);
    const headers = {
      authorization: `Bearer ${token}`,
      ...(text !== undefined && { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }),
    };
    const req = request(url, { method, agent, headers, signal });
    const timer = setTimeout(() => req.destroy(new Error('no answer within the deadline')), deadlineMs);
    req.once('error', reject);
    req.once('close', () => clearTimeout(timer));
    req.once('response', (res) => {
      const chunks: Buffer[] = [];
      let size = 0;
      res.on('data', (chunk: Buffer) => {
        size += chunk.length;
        if (size > MAX_ANSWER_BYTES) req.destroy(new Error('its answer is too large'));
        else chunks.push(chunk);
      });
      res.once('error', reject);
      res.once('aborted', () => reject(new Error('it broke off')));
      res.once('end', () => resolve({ status: res.statusCode ?? 0, text: Buffer.concat(chunks, size).toString() }));
    });
    req.end(text);
  });
}

/** The Problem in a problem document of one of our services, or null when it is none. */
export function problemFrom(json: unknown): Problem | null {
  const parsed = problemSchema.safeParse(json);
  if (!parsed.success || !(parsed.data.code in problemCatalogue)) return null;
  const { code, detail, decision_id, errors } = parsed.data;
  return new Problem(code as ProblemCode, detail, { ...(decision_id && { decision_id }), ...(errors && { errors }) });
}
