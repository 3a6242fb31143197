import type { IncomingMessage } from 'node:http';
import { Problem, type ui } from '@secai/contracts';
import {
  drained,
  type HandlerContext,
  type Handlers,
  parseJson,
  type Request,
  type Response,
  readBody,
} from '@secai/kit';
import { openAiError } from './openai-errors.ts';
import type { Parts } from './parts.ts';
import { allowFlow } from './sensitivity.ts';

type Routes = (typeof ui)['routes'];
type Context = Pick<HandlerContext<Routes['apiChat']>, 'req' | 'res' | 'caller' | 'signal'>;
type OpenAiHandlers = Pick<Handlers<Routes>, 'apiChat' | 'apiComplete' | 'apiEmbed' | 'apiModels'>;

/** Room for long conversations and images as data URLs. */
const MAX_BODY_BYTES = 8 * 1024 * 1024;
/** Headers of the worker that mean something to a client. */
const PASSED_HEADERS = ['content-type', 'retry-after'] as const;

/** The OpenAI-compatible API: checks the caller, the body, the model and the policy, then passes bytes in both directions. */
export function openAiHandlers(parts: Parts): OpenAiHandlers {
  const worker = parts.peers['inference-worker'];
  const to = (name: 'chat' | 'complete' | 'embed') => {
    const url = worker.address(name);
    return (context: Context) => forward(parts, url, context);
  };
  return {
    apiChat: to('chat'),
    apiComplete: to('complete'),
    apiEmbed: to('embed'),
    apiModels: async ({ res, signal }) => {
      res.json(await worker.models({ signal }));
      return undefined;
    },
  };
}

async function forward(parts: Parts, url: string, { req, res, caller, signal }: Context): Promise<undefined> {
  const { bytes, model } = await readRequest(req);
  await parts.modelNames.require(model);
  // The answer leaves this service for a program, and no one knows where its prompt came from.
  const allowed = await allowFlow(parts, {
    integrity: 'untrusted',
    sinks: ['local-model', 'api-client'],
    model,
    via: caller.name,
  });
  await allowed.record();
  const answer = await parts.worker.send({ method: 'POST', url, body: bytes, signal });
  if ((answer.statusCode ?? 500) >= 400) throw await parts.worker.refusal(answer);
  res.status(answer.statusCode ?? 200);
  for (const name of PASSED_HEADERS) {
    const value = answer.headers[name];
    if (value !== undefined) res.setHeader(name, value);
  }
  res.flushHeaders();
  res.socket?.setNoDelay(true);
  await passThrough(answer, res);
  return undefined;
}

async function readRequest(req: Request): Promise<{ bytes: Buffer; model: string }> {
  const type = (req.headers['content-type'] ?? '').split(';')[0]!.trim().toLowerCase();
  if (type !== 'application/json')
    throw new Problem('unsupported_media_type', `send application/json, not ${type || 'nothing'}`);
  const bytes = await readBody(req, MAX_BODY_BYTES);
  const body = parseJson(bytes);
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    throw new Problem('invalid_field', 'the body must be a JSON object');
  const { model } = body as { model?: unknown };
  if (typeof model !== 'string' || model === '') {
    const message = '"model" must name a model; GET /v1/models lists them';
    throw new Problem('invalid_field', message, { errors: [{ field: 'model', message }] });
  }
  return { bytes, model };
}

/** Byte for byte. A stream that breaks ends with an error event, as OpenAI's does; any other answer is cut off. */
async function passThrough(answer: IncomingMessage, res: Response): Promise<void> {
  try {
    for await (const chunk of answer as AsyncIterable<Buffer>) {
      if (res.destroyed) return;
      if (!res.write(chunk)) await drained(res);
    }
    res.end();
  } catch {
    if (res.destroyed) return;
    if (!String(answer.headers['content-type']).startsWith('text/event-stream')) {
      res.destroy();
      return;
    }
    const problem = new Problem('engine_failed', 'the model engine stopped while it was answering');
    res.end(`\n\ndata: ${JSON.stringify(openAiError(problem))}\n\n`);
  }
}
