import type { ProblemDocument, RouteInput, RouteOutput, ui } from '@secai/contracts';
import { sentence } from './lib/format.ts';
import { readEvents, type ServerEvent } from './lib/sse.ts';
import { createStore } from './lib/store.ts';

type Routes = (typeof ui)['routes'];
type WebRoute = {
  [K in keyof Routes]: Routes[K]['path'] extends `/api/${string}` ? K : never;
}[keyof Routes];

/** Method and path of every route the page uses. The types hold them to the contract without bundling zod. */
export const endpoints = {
  session: ['GET', '/api/session'],
  setup: ['POST', '/api/setup'],
  login: ['POST', '/api/login'],
  logout: ['POST', '/api/logout'],
  changePassphrase: ['POST', '/api/passphrase'],
  models: ['GET', '/api/models'],
  importModel: ['POST', '/api/models/import'],
  importJob: ['GET', '/api/models/jobs/:id'],
  importEvents: ['GET', '/api/models/jobs/:id/events'],
  cancelImport: ['DELETE', '/api/models/jobs/:id'],
  removeModel: ['DELETE', '/api/models/:name'],
  verifyModel: ['POST', '/api/models/:name/verify'],
  chats: ['GET', '/api/chats'],
  createChat: ['POST', '/api/chats'],
  chat: ['GET', '/api/chats/:id'],
  updateChat: ['PATCH', '/api/chats/:id'],
  deleteChat: ['DELETE', '/api/chats/:id'],
  send: ['POST', '/api/chats/:id/messages'],
  regenerate: ['POST', '/api/chats/:id/messages/:message_id/regenerate'],
  stop: ['POST', '/api/chats/:id/stop'],
  exportChat: ['GET', '/api/chats/:id/export'],
  keys: ['GET', '/api/keys'],
  createKey: ['POST', '/api/keys'],
  deleteKey: ['DELETE', '/api/keys/:id'],
  system: ['GET', '/api/system'],
} as const satisfies { [K in WebRoute]: readonly [Routes[K]['method'], Routes[K]['path']] };

export type Answer<K extends WebRoute> = RouteOutput<Routes[K]>;
type Given<T> = T extends undefined ? unknown : T;
export type Input<K extends WebRoute> = {
  params?: Given<RouteInput<Routes[K]>['params']>;
  query?: Given<RouteInput<Routes[K]>['query']>;
  body?: Given<RouteInput<Routes[K]>['body']>;
  signal?: AbortSignal;
};

/** An answer that is not 2xx, or none at all (`code` is `unreachable`). `message` is for people. */
export class ApiError extends Error {
  override name = 'ApiError';
  readonly code: string;
  readonly status: number;
  /** Seconds to wait before trying again, when the server said so. */
  readonly retryAfter: number | null;
  constructor(code: string, status: number, message: string, retryAfter: number | null = null) {
    super(message);
    this.code = code;
    this.status = status;
    this.retryAfter = retryAfter;
  }
}

const unreachable =
  'SecAI does not answer on this machine. Is it running? Start it with “npm start”; this page then goes on by itself.';

/** False while the last call got no answer at all. */
export const reachable = createStore(true);
/** Called when the session has ended on the server. */
export const sessionEnded = createStore<{ count: number }>({ count: 0 });

let csrfToken: string | null = null;

/** Keeps the token of an open session for the calls that change something; call it with every session state. */
export function rememberCsrf(session: Answer<'session'>): Answer<'session'> {
  csrfToken = session.csrf_token;
  return session;
}

export function csrfHeaders(): Record<string, string> {
  return csrfToken === null ? {} : { 'x-secai-csrf': csrfToken };
}

export function addressOf(path: string, params: unknown = {}, query: unknown = {}): string {
  const values = (params ?? {}) as Record<string, string>;
  const filled = path.replace(/:(\w+)/g, (_, key: string) => encodeURIComponent(values[key] ?? ''));
  const search = new URLSearchParams();
  for (const [key, value] of Object.entries((query ?? {}) as Record<string, unknown>))
    if (value !== undefined && value !== '') search.set(key, String(value));
  return search.size > 0 ? `${filled}?${search}` : filled;
}

/** Calls one route. Throws `ApiError`, or the signal's `AbortError`. */
export async function call<K extends WebRoute>(name: K, input: Input<K> = {}): Promise<Answer<K>> {
  const response = await request(name, input);
  return (await response.json()) as Answer<K>;
}

/** The server-sent events of a route that streams. Throws like `call`; a connection that breaks later throws `unreachable`. */
export async function* stream<K extends WebRoute>(name: K, input: Input<K>): AsyncGenerator<ServerEvent> {
  const response = await request(name, input);
  if (!response.body) throw new ApiError('unreachable', 0, unreachable);
  try {
    yield* readEvents(response.body);
  } catch (cause) {
    if (input.signal?.aborted) throw cause;
    throw new ApiError('unreachable', 0, 'The connection broke while the answer was being written.');
  }
}

async function request<K extends WebRoute>(name: K, input: Input<K>): Promise<Response> {
  const [method, path] = endpoints[name];
  const headers: Record<string, string> = { accept: 'application/json, text/event-stream' };
  if (method !== 'GET') Object.assign(headers, csrfHeaders());
  if (input.body !== undefined) headers['content-type'] = 'application/json';
  let response: Response;
  try {
    response = await fetch(addressOf(path, input.params, input.query), {
      method,
      headers,
      credentials: 'same-origin',
      cache: 'no-store',
      redirect: 'error',
      ...(input.body === undefined ? {} : { body: JSON.stringify(input.body) }),
      ...(input.signal ? { signal: input.signal } : {}),
    });
  } catch (cause) {
    if (input.signal?.aborted) throw cause;
    reachable.set(false);
    throw new ApiError('unreachable', 0, unreachable);
  }
  reachable.set(true);
  if (!response.ok) throw await errorFrom(response);
  return response;
}

async function errorFrom(response: Response): Promise<ApiError> {
  return problemError(response.status, await response.text().catch(() => ''), response.headers.get('retry-after'));
}

/** Reads a problem document; also tells the app when the session is over. */
export function problemError(status: number, text: string, retryAfterHeader: string | null): ApiError {
  const problem = parseProblem(text);
  const code = problem?.code ?? 'unknown';
  const seconds = Number(retryAfterHeader);
  const retryAfter = retryAfterHeader !== null && Number.isFinite(seconds) ? Math.max(0, Math.ceil(seconds)) : null;
  if (status === 401 && code === 'unauthorized') sessionEnded.set(({ count }) => ({ count: count + 1 }));
  const fields = problem?.errors?.map((error) => error.message).join(' ');
  const message = sentence(problem?.detail || fields || `The server answered with an error (${status}).`);
  return new ApiError(code, status, message, retryAfter);
}

function parseProblem(text: string): Partial<ProblemDocument> | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Partial<ProblemDocument>) : null;
  } catch {
    return null;
  }
}

/** What to show a person for anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

export interface Upload {
  done: Promise<Answer<'importModel'>>;
  cancel: () => void;
}

/** Uploads a model into quarantine. `onProgress` gets bytes sent so far. XMLHttpRequest, since fetch reports no upload progress. */
export function uploadModel(file: File, name: string, onProgress: (sent: number) => void): Upload {
  const request = new XMLHttpRequest();
  const done = new Promise<Answer<'importModel'>>((resolve, reject) => {
    request.open('POST', endpoints.importModel[1]);
    for (const [key, value] of Object.entries(csrfHeaders())) request.setRequestHeader(key, value);
    request.upload.addEventListener('progress', (event) => onProgress(event.loaded));
    request.addEventListener('error', () =>
      reject(new ApiError('unreachable', 0, 'The upload broke off. Nothing was kept; try again.')),
    );
    request.addEventListener('abort', () => reject(new ApiError('aborted', 0, 'Upload cancelled. Nothing was kept.')));
    request.addEventListener('load', () => {
      if (request.status >= 200 && request.status < 300) resolve(JSON.parse(request.responseText));
      else reject(problemError(request.status, request.responseText, request.getResponseHeader('retry-after')));
    });
    const form = new FormData();
    form.append('name', name);
    form.append('file', file);
    request.send(form);
  });
  return { done, cancel: () => request.abort() };
}
