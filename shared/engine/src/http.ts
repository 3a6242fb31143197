import { type Agent, request as httpRequest, type IncomingMessage } from 'node:http';

export interface JsonAnswer {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}

export interface SendOptions {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly agent?: Agent;
  readonly signal?: AbortSignal;
}

/** Sends one request over a unix socket and resolves with the response as soon as its head is there. */
export function send(socketPath: string, options: SendOptions): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const { body, signal, agent } = options;
    const length = body === undefined ? {} : { 'content-length': Buffer.byteLength(body) };
    const type = body === undefined ? {} : { 'content-type': 'application/json' };
    const outgoing = httpRequest({
      socketPath,
      method: options.method,
      path: options.path,
      headers: { host: 'engine', ...type, ...length, ...options.headers },
      ...(agent === undefined ? {} : { agent }),
      ...(signal === undefined ? {} : { signal }),
    });
    outgoing.once('response', resolve);
    outgoing.once('error', reject);
    outgoing.end(body);
  });
}

/** Reads a whole answer of at most 64 MiB as JSON; an answer that is no object reads as an empty one. */
export async function readJson(response: IncomingMessage): Promise<JsonAnswer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > 64 << 20) throw new Error('the answer is larger than 64 MiB');
    chunks.push(chunk);
  }
  const value: unknown = JSON.parse(Buffer.concat(chunks).toString('utf8'));
  const body = typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  return { status: response.statusCode ?? 0, body };
}

export async function getJson(socketPath: string, path: string, signal?: AbortSignal): Promise<JsonAnswer> {
  return readJson(await send(socketPath, { method: 'GET', path, ...(signal === undefined ? {} : { signal }) }));
}
