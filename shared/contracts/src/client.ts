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
  const deadline = AbortSignal.timeout(args.deadlineMs ?? options.deadlineMs ?? 2000);
  const unavailable = (why: string, cause?: unknown): Problem =>
    new Problem(
      'dependency_unavailable',
      `${contract.service} did not answer ${route.method} ${route.path}: ${why}`,
      {},
      cause,
    );
  let response: Response;
  let text: string;
  try {
    response = await fetch(address(options.baseUrl, route, args), {
      method: route.method,
      headers: {
        authorization: `Bearer ${options.token}`,
        ...(args.body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      body: args.body === undefined ? undefined : JSON.stringify(args.body),
      redirect: 'error',
      signal: args.signal ? AbortSignal.any([deadline, args.signal]) : deadline,
    });
    text = await response.text();
  } catch (error) {
    if (args.signal?.aborted) throw error;
    throw unavailable(deadline.aborted ? 'no answer within the deadline' : networkReason(error), error);
  }
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw unavailable(`status ${response.status} without JSON`, error);
  }
  if (!response.ok) throw problemFrom(json) ?? unavailable(`status ${response.status}`);
  if (!route.response) return undefined;
  const result = route.response.safeParse(json);
  if (!result.success)
    throw unavailable(
      `its answer breaks the contract (${result.error.issues[0]?.path.join('.')}: ${result.error.issues[0]?.message})`,
    );
  return result.data;
}

function networkReason(error: unknown): string {
  const cause = (error as Error).cause as NodeJS.ErrnoException | undefined;
  return cause?.code ?? (error as Error).message;
}

/** The Problem in a problem document of one of our services, or null when it is none. */
export function problemFrom(json: unknown): Problem | null {
  const parsed = problemSchema.safeParse(json);
  if (!parsed.success || !(parsed.data.code in problemCatalogue)) return null;
  const { code, detail, decision_id, errors } = parsed.data;
  return new Problem(code as ProblemCode, detail, { ...(decision_id && { decision_id }), ...(errors && { errors }) });
}
