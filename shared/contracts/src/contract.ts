import type { ServiceName } from '@secai/topology';
import * as z from 'zod';

/**
 * Who may call a route. `edge`: a service or the operator with its edge token and the route's scope. `session`: the
 * logged-in person's browser. `key`: a client with an API key. `open`: anyone who reaches the port.
 */
export type RouteAuth = 'edge' | 'session' | 'key' | 'open';

export interface Route {
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Express path, e.g. `/v1/models/:name`. */
  path: string;
  summary: string;
  auth?: RouteAuth;
  /** Scope that the caller's edge must carry; needed for `edge` routes. */
  scope?: string;
  params?: z.ZodObject;
  query?: z.ZodObject;
  /** JSON body. Objects must be strict: a field nobody knows is refused, not ignored. */
  body?: z.ZodType;
  /** Largest accepted JSON body; default 1 MiB. */
  maxBodyBytes?: number;
  /** The handler reads the body itself (multipart uploads). */
  rawBody?: boolean;
  /** What a 2xx answer holds; absent for streams and pages. */
  response?: z.ZodType;
  /** Status of a successful answer; default 200. */
  status?: number;
  /** The handler writes the answer itself, e.g. server-sent events. */
  stream?: boolean;
}

export type Routes = Record<string, Route>;

export interface Contract<R extends Routes = Routes> {
  service: ServiceName;
  routes: R;
}

/** Declares a service's endpoints. Throws at load when an edge route names no scope or a body lets unknown fields pass. */
export function defineContract<const R extends Routes>(service: ServiceName, routes: R): Contract<R> {
  for (const [name, route] of Object.entries(routes) as [string, Route][]) {
    if ((route.auth ?? 'edge') === 'edge' && !route.scope) throw new Error(`${service}.${name} needs a scope`);
    if (route.body && !refusesUnknown(route.body))
      throw new Error(`${service}.${name}: the body must refuse unknown fields`);
  }
  return { service, routes };
}

function refusesUnknown(schema: z.ZodType): boolean {
  if (schema instanceof z.ZodObject) return schema.def.catchall instanceof z.ZodNever;
  if (schema instanceof z.ZodUnion) return schema.options.every((option) => refusesUnknown(option as z.ZodType));
  return false;
}

type Infer<T> = T extends z.ZodType ? z.output<T> : undefined;
type InferInput<T> = T extends z.ZodType ? z.input<T> : undefined;

/** What a handler gets: validated input. */
export interface RouteInput<R extends Route> {
  params: Infer<R['params']>;
  query: Infer<R['query']>;
  body: Infer<R['body']>;
}

export type RouteOutput<R extends Route> = R['stream'] extends true
  ? undefined
  : R['response'] extends z.ZodType
    ? z.input<R['response']>
    : undefined;

export type RouteResult<R extends Route> = Infer<R['response']>;
export type RouteArguments<R extends Route> = (R['params'] extends z.ZodType
  ? { params: InferInput<R['params']> }
  : { params?: undefined }) &
  (R['query'] extends z.ZodType ? { query?: InferInput<R['query']> } : { query?: undefined }) &
  (R['body'] extends z.ZodType ? { body: InferInput<R['body']> } : { body?: undefined });
