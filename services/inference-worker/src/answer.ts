import type { IncomingMessage } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { modelName, Problem } from '@secai/contracts';
import { type Engine, EngineError, RequestError } from '@secai/engine';
import { type Caller, parseJson, type Request, type Response, readBody } from '@secai/kit';
import type { Hold, Loader } from './loader.ts';

export const MAX_BODY_BYTES = 16 * 1024 * 1024;

type EnginePath = Parameters<Engine['request']>[0];

interface Context {
  readonly req: Request;
  readonly res: Response;
  readonly caller: Caller;
  readonly signal: AbortSignal;
}

/**
 * Answers one OpenAI request from the model that it names. The engine's bytes go to the client as they come, at the
 * client's pace; a client that leaves ends the generation.
 */
export async function answer(
  loader: Loader,
  path: EnginePath,
  { req, res, caller, signal }: Context,
): Promise<undefined> {
  const session = sessionOf(req, caller);
  const body = await readRequest(req);
  const hold = await loader.enter(body.model, signal);
  try {
    await relay(hold, path, body.fields, session, res, signal);
  } finally {
    hold.leave();
  }
}

async function relay(
  { engine }: Hold,
  path: EnginePath,
  fields: object,
  session: string | undefined,
  res: Response,
  signal: AbortSignal,
): Promise<void> {
  let response: IncomingMessage;
  try {
    response = await engine.request(path, fields, { signal, ...(session === undefined ? {} : { session }) });
  } catch (error) {
    if (signal.aborted) {
      res.destroy();
      return;
    }
    if (error instanceof RequestError) {
      if (error.status === 503) res.setHeader('retry-after', '2');
      res.status(error.status).json(error.toBody());
      return;
    }
    throw await lost(engine, error);
  }
  res.status(response.statusCode ?? 502);
  for (const name of ['content-type', 'content-length', 'retry-after']) {
    const value = response.headers[name];
    if (value !== undefined) res.setHeader(name, value);
  }
  res.flushHeaders();
  try {
    await pipeline(response, res, { end: false });
    res.end();
  } catch (error) {
    if (signal.aborted || res.destroyed) {
      res.destroy();
      return;
    }
    const problem = await lost(engine, error);
    // The status is sent; a stream can still say why it ends, anything else can only break off.
    if (!String(response.headers['content-type']).startsWith('text/event-stream')) throw problem;
    const details = { message: problem.message, type: 'server_error', code: problem.code, param: null };
    res.end(`data: ${JSON.stringify({ error: details })}\n\n`);
  }
}

async function lost(engine: Engine, error: unknown): Promise<Problem> {
  if (error instanceof Problem) return error;
  const gone = error instanceof EngineError || isReset(error);
  const why = gone ? (await engine.exited).message : error instanceof Error ? error.message : String(error);
  return new Problem('engine_failed', `the model's engine stopped: ${why} Ask again; it is started anew`, {}, error);
}

function isReset(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException | null)?.code;
  return code === 'ECONNRESET' || code === 'ERR_STREAM_PREMATURE_CLOSE' || code === 'EPIPE';
}

async function readRequest(req: Request): Promise<{ model: string; fields: object }> {
  const type = (req.headers['content-type'] ?? '').split(';')[0]!.trim().toLowerCase();
  if (type !== 'application/json') {
    throw new Problem('unsupported_media_type', `send application/json, not ${type || 'nothing'}`);
  }
  const fields = parseJson(await readBody(req, MAX_BODY_BYTES));
  if (typeof fields !== 'object' || fields === null || Array.isArray(fields)) {
    throw new Problem('invalid_field', 'body: send a JSON object');
  }
  const name = modelName.safeParse((fields as Record<string, unknown>)['model']);
  if (!name.success) throw new Problem('invalid_field', 'body.model: name a model, as GET /v1/models lists them');
  return { model: name.data, fields };
}

/** Callers cannot reach each other's conversations: the key is theirs and the caller's. */
function sessionOf(req: Request, caller: Caller): string | undefined {
  const key = req.headers['x-secai-session'];
  if (key === undefined) return undefined;
  if (typeof key === 'string' && /^[\x21-\x7e]{1,120}$/.test(key)) return `${caller.name}/${key}`;
  throw new Problem('invalid_field', 'x-secai-session must be 1 to 120 visible characters');
}
