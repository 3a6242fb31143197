import { once } from 'node:events';
import { Agent, type ClientRequest, type IncomingMessage, type RequestOptions, request } from 'node:http';
import { Problem, problemFrom } from '@secai/contracts';

/** A service that this one calls by raw HTTP, for streams. */
export interface UpstreamOptions {
  /** For messages, e.g. `the inference worker`. */
  name: string;
  /** Bare edge token. */
  token: string;
}

export interface UpstreamRequest {
  method: 'GET' | 'POST';
  url: string;
  /** Content type and JSON bytes. */
  body?: Uint8Array;
  accept?: string;
  signal: AbortSignal;
}

/** Largest answer of a failed request that is read to learn why. */
const MAX_ERROR_BYTES = 64 * 1024;

/**
 * Streams from a peer over connections that stay open: the typed client reads whole answers, and a new connection per
 * token stream would cost the time this path is measured by.
 */
export class Upstream {
  readonly #options: UpstreamOptions;
  readonly #agent = new Agent({ keepAlive: true, keepAliveMsecs: 10_000, maxFreeSockets: 16 });

  constructor(options: UpstreamOptions) {
    this.#options = options;
  }

  /** The answer once its head is there, whatever its status. Throws `dependency_unavailable`, or the signal's reason. */
  async send(call: UpstreamRequest): Promise<IncomingMessage> {
    try {
      return await this.#attempt(call);
    } catch (error) {
      call.signal.throwIfAborted();
      if (!(error instanceof StaleConnection)) throw this.unavailable(error);
    }
    try {
      return await this.#attempt(call);
    } catch (error) {
      call.signal.throwIfAborted();
      throw this.unavailable(error);
    }
  }

  /** Opens a request whose body the caller writes, on a connection of its own. */
  open(url: string, headers: Record<string, string>): ClientRequest {
    return request(url, {
      method: 'POST',
      agent: false,
      headers: { ...headers, authorization: `Bearer ${this.#options.token}`, connection: 'close' },
    });
  }

  /** Why a peer refused, as this service's own problem: its own reason where it is about the request, and no word of our tokens. */
  async refusal(answer: IncomingMessage): Promise<Problem> {
    return refusalFrom(this.#options.name, answer.statusCode ?? 0, await readSome(answer, MAX_ERROR_BYTES));
  }

  unavailable(error: unknown): Problem {
    const { code, message } = error as NodeJS.ErrnoException;
    return new Problem(
      'dependency_unavailable',
      `${this.#options.name} is not answering (${code ?? message})`,
      {},
      error,
    );
  }

  close(): void {
    this.#agent.destroy();
  }

  async #attempt(call: UpstreamRequest): Promise<IncomingMessage> {
    const options: RequestOptions = {
      method: call.method,
      agent: this.#agent,
      signal: call.signal,
      headers: {
        authorization: `Bearer ${this.#options.token}`,
        ...(call.accept && { accept: call.accept }),
        ...(call.body && { 'content-type': 'application/json', 'content-length': call.body.length }),
      },
    };
    const req = request(call.url, options);
    const answered = once(req, 'response');
    req.end(call.body);
    try {
      const [answer] = (await answered) as [IncomingMessage];
      // Errors after this point show up where the answer is read.
      req.on('error', () => undefined);
      return answer;
    } catch (error) {
      // The peer closed an idle connection at the moment it was used again; it never saw the request.
      if (req.reusedSocket && /^(ECONNRESET|EPIPE)$/.test((error as NodeJS.ErrnoException).code ?? ''))
        throw new StaleConnection();
      throw error;
    }
  }
}

class StaleConnection extends Error {
  override name = 'StaleConnection';
}

async function readSome(answer: IncomingMessage, limit: number): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of answer as AsyncIterable<Buffer>) {
      chunks.push(chunk);
      size += chunk.length;
      if (size > limit) break;
    }
  } catch {
    // A cut answer still has its status.
  }
  return Buffer.concat(chunks).toString();
}

/** A failed answer as a problem. Reads both problem documents and OpenAI's `{error: {message, code, param}}`. */
export function refusalFrom(name: string, status: number, text: string): Problem {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return new Problem('dependency_unavailable', `${name} answered with status ${status}`);
  }
  const problem = problemFrom(json);
  if (problem) {
    // Its unauthorized and forbidden are about our edge token, which no client can mend.
    if (problem.code !== 'unauthorized' && problem.code !== 'forbidden') return problem;
    return new Problem('dependency_unavailable', `${name} refused this service's token; restart the stack`);
  }
  const error = (json as { error?: { message?: unknown; param?: unknown; code?: unknown } } | null)?.error;
  const message = typeof error?.message === 'string' ? error.message : `${name} answered with status ${status}`;
  const field = typeof error?.param === 'string' ? { errors: [{ field: error.param, message }] } : {};
  if (status === 401)
    return new Problem('dependency_unavailable', `${name} refused this service's token; restart the stack`);
  if (status === 403) return new Problem('policy_denied', message);
  if (status === 404) return new Problem('not_found', message, field);
  if (status === 409) return new Problem('conflict', message, field);
  if (status === 413) return new Problem('body_too_large', message);
  if (status === 429) return new Problem('rate_limited', message);
  if (status < 500) return new Problem('invalid_field', message, field);
  return new Problem('engine_failed', message);
}
