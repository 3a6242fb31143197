import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { parseStrict, StrictJsonError } from '@secai/json';
import { parseChatRequest } from '../protocol/chat.ts';
import { parseCompletionRequest } from '../protocol/completion.ts';
import { parseEmbeddingRequest } from '../protocol/embedding.ts';
import { RequestError } from '../protocol/errors.ts';
import { Fields } from '../protocol/fields.ts';
import { answerWriter, sendJson } from './answers.ts';
import { embedder } from './embed.ts';
import { runChat, runCompletion } from './generate.ts';
import type { LoadedModel } from './model.ts';

export const MAX_BODY_BYTES = 16 << 20;
const SESSION = /^[\x21-\x7e]{1,200}$/;

interface Call {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** Aborted when the client is gone. */
  readonly signal: AbortSignal;
}

/** The engine's HTTP server over a loaded model, in llama-server's dialect. `now`: milliseconds since 1970. */
export function createHostServer(loaded: LoadedModel, now: () => number): Server {
  const embed = embedder(loaded);
  const routes: Record<string, (call: Call) => Promise<void> | void> = {
    'GET /health': ({ response }) => sendJson(response, 200, { status: 'ok' }),
    'GET /props': ({ response }) => sendJson(response, 200, props(loaded)),
    'POST /v1/chat/completions': (call) => chat(loaded, call, now),
    'POST /v1/completions': (call) => complete(loaded, call, now),
    'POST /v1/embeddings': (call) => embeddings(embed, call),
    'POST /sessions/forget': (call) => forget(loaded, call),
  };

  return createServer((request, response) => {
    const gone = new AbortController();
    response.once('close', () => gone.abort(new Error('the client is gone')));
    const handler = routes[`${request.method} ${request.url}`];
    const answer = handler ?? (() => Promise.reject(new RequestError(404, 'not_found', 'There is no such endpoint.')));
    Promise.resolve(answer({ request, response, signal: gone.signal })).catch((error: unknown) => {
      if (!gone.signal.aborted) refuse(response, error);
    });
  });
}

async function chat(loaded: LoadedModel, { request, response, signal }: Call, now: () => number): Promise<void> {
  const session = sessionOf(request);
  const body = parseChatRequest(await readJson(request));
  const writer = answerWriter(response, {
    kind: 'chat',
    model: body.model,
    created: Math.floor(now() / 1000),
    stream: body.stream,
    includeUsage: body.include_usage,
  });
  writer.finish(await runChat(loaded, body, { session, signal, onPiece: writer.piece }));
}

async function complete(loaded: LoadedModel, { request, response, signal }: Call, now: () => number): Promise<void> {
  const session = sessionOf(request);
  const body = parseCompletionRequest(await readJson(request));
  const writer = answerWriter(response, {
    kind: 'text',
    model: body.model,
    created: Math.floor(now() / 1000),
    stream: body.stream,
    includeUsage: body.include_usage,
    ...(body.echo ? { echo: body.prompt } : {}),
  });
  writer.finish(await runCompletion(loaded, body, { session, signal, onPiece: writer.piece }));
}

async function embeddings(embed: ReturnType<typeof embedder>, { request, response, signal }: Call): Promise<void> {
  const body = parseEmbeddingRequest(await readJson(request));
  const { vectors, promptTokens } = await embed(body, signal);
  const encode = (vector: readonly number[]) =>
    body.encoding_format === 'float' ? vector : Buffer.from(new Float32Array(vector).buffer).toString('base64');
  sendJson(response, 200, {
    object: 'list',
    data: vectors.map((vector, index) => ({ object: 'embedding', index, embedding: encode(vector) })),
    model: body.model,
    usage: { prompt_tokens: promptTokens, total_tokens: promptTokens },
  });
}

async function forget(loaded: LoadedModel, { request, response }: Call): Promise<void> {
  const fields = new Fields(await readJson(request));
  const session = fields.text('session', 200);
  fields.done();
  loaded.slots.forget(session);
  sendJson(response, 200, { status: 'ok' });
}

function props(loaded: LoadedModel) {
  return {
    default_generation_settings: { n_ctx: loaded.contextSize },
    n_ctx_train: loaded.model.trainContextSize,
    total_slots: loaded.slots.size,
    busy_slots: loaded.slots.busy,
    waiting: loaded.slots.waiting,
    chat_template: loaded.chatTemplate,
    build_info: loaded.version,
  };
}

function sessionOf(request: IncomingMessage): string | null {
  const value = request.headers['x-secai-session'];
  if (value === undefined) return null;
  if (typeof value === 'string' && SESSION.test(value)) return value;
  throw new RequestError(400, 'invalid_value', 'The header x-secai-session must be 1 to 200 visible characters.');
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_BODY_BYTES) {
      throw new RequestError(413, 'body_too_large', `The body is larger than ${MAX_BODY_BYTES} bytes.`);
    }
    chunks.push(chunk);
  }
  try {
    return parseStrict(Buffer.concat(chunks));
  } catch (error) {
    if (!(error instanceof StrictJsonError)) throw error;
    throw new RequestError(400, 'invalid_json', `The body is ${error.message}.`);
  }
}

function refuse(response: ServerResponse, error: unknown): void {
  const known =
    error instanceof RequestError
      ? error
      : new RequestError(500, 'engine_error', `The engine failed: ${error instanceof Error ? error.message : error}`);
  if (!response.headersSent) {
    if (known.status === 503) response.setHeader('retry-after', '2');
    if (known.status === 413) response.setHeader('connection', 'close');
    sendJson(response, known.status, known.toBody());
    return;
  }
  // The status is gone; clients read an error event in the stream (and its missing [DONE]).
  response.end(`data: ${JSON.stringify(known.toBody())}\n\n`);
}
