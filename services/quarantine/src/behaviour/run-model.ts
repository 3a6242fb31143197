import type { IncomingMessage } from 'node:http';
import type { Finding } from '@secai/contracts';
import { type Engine, EngineError, RequestError, spawnEngine } from '@secai/engine';
import { ownFinding } from '../rules.ts';
import type { Answer, Subject, Transcript } from './interview.ts';
import type { Prompt } from './prompts.ts';

export interface ModelRun {
  /** Absolute path of a GGUF file. */
  path: string;
  /** Bytes. */
  size: number;
  architecture: string;
  hasChatTemplate: boolean;
  /** An existing folder for the engine's socket; a unix socket's path is short, so this one's must be too. */
  socketDir: string;
  signal: AbortSignal;
}

/** Architectures of llama.cpp that encode and never write. */
const ENCODERS = new Set([
  'bert',
  'modern-bert',
  'neo-bert',
  'eurobert',
  'nomic-bert',
  'nomic-bert-moe',
  'jina-bert-v2',
  'jina-bert-v3',
  't5encoder',
  'gemma-embedding',
]);

const CONTEXT_TOKENS = 512;
const BASE_MS = 120_000;
/** Loading from a slow disk and computing on a slow processor, both grow with the file. */
const MS_PER_GIGABYTE = 60_000;
const MAX_ANSWER_BYTES = 1024 * 1024;

/**
 * Runs `work` against the model in a sandboxed engine and ends the engine. What the model does wrong (it does not load,
 * overruns its caps, takes the engine down) is a failure, not an error. Throws the signal's reason, and EngineError
 * where no sandbox can be made.
 */
export async function runModel(
  run: ModelRun,
  work: (subject: Subject) => Promise<Transcript>,
): Promise<{ answers: Transcript } | { failure: Finding }> {
  const limitMs = Math.ceil(BASE_MS + (run.size / 1e9) * MS_PER_GIGABYTE);
  const overtime = AbortSignal.timeout(limitMs);
  const signal = AbortSignal.any([run.signal, overtime]);
  let engine: Engine | undefined;
  try {
    const embedding = ENCODERS.has(run.architecture);
    engine = await spawnEngine({
      modelPath: run.path,
      socketDir: run.socketDir,
      contextSize: CONTEXT_TOKENS,
      parallel: 1,
      embedding,
      sandbox: { wallMs: limitMs },
      startMs: limitMs,
      signal,
    });
    return { answers: await work(subjectOf(engine, run, embedding, signal)) };
  } catch (error) {
    run.signal.throwIfAborted();
    if (overtime.aborted)
      return {
        failure: ownFinding(
          'BEH-005',
          'model',
          `it was not done with a few short answers after ${Math.round(limitMs / 1000)} s`,
        ),
      };
    return { failure: await failureOf(error, engine) };
  } finally {
    await engine?.stop();
  }
}

async function failureOf(error: unknown, engine: Engine | undefined): Promise<Finding> {
  if (error instanceof EngineError && (error.code === 'model_rejected' || error.code === 'start_failed'))
    return ownFinding('BEH-001', 'model', error.message);
  if (error instanceof EngineError && error.code === 'gone' && engine)
    return ownFinding('BEH-005', 'model', `the engine that ran it ended: ${(await engine.exited).message}`);
  if (error instanceof RequestError) return ownFinding('BEH-005', 'model', `the engine refused: ${error.message}`);
  throw error;
}

function subjectOf(engine: Engine, run: ModelRun, embedding: boolean, signal: AbortSignal): Subject {
  if (embedding) return { kind: 'embedding', embed: (text) => embed(engine, text, signal) };
  const kind = run.hasChatTemplate ? 'chat' : 'text';
  return { kind, ask: (prompt) => ask(engine, kind, prompt, signal) };
}

interface Choice {
  finish_reason?: string | null;
  text?: string;
  message?: { content?: string | null; tool_calls?: unknown[] };
}

async function ask(engine: Engine, kind: 'chat' | 'text', prompt: Prompt, signal: AbortSignal): Promise<Answer> {
  const common = { temperature: 0, seed: 1, max_tokens: prompt.maxTokens };
  const system = prompt.system ? [{ role: 'system', content: prompt.system }] : [];
  const body =
    kind === 'chat'
      ? { ...common, messages: [...system, { role: 'user', content: prompt.user }] }
      : { ...common, prompt: [prompt.system, prompt.user].filter(Boolean).join('\n') };
  const path = kind === 'chat' ? '/v1/chat/completions' : '/v1/completions';
  const { choices } = (await answerOf(await engine.request(path, body, { signal }))) as { choices?: Choice[] };
  const choice = choices?.[0];
  const calls = choice?.message?.tool_calls?.length ?? 0;
  const reason = choice?.finish_reason;
  return {
    text: (kind === 'chat' ? choice?.message?.content : choice?.text) ?? '',
    finish:
      calls > 0 ? 'tool_calls' : reason === 'stop' || reason === 'length' || reason === 'tool_calls' ? reason : 'other',
  };
}

async function embed(engine: Engine, input: string, signal: AbortSignal): Promise<readonly number[]> {
  const body = await answerOf(await engine.request('/v1/embeddings', { input, encoding_format: 'float' }, { signal }));
  return (body as { data?: { embedding?: number[] }[] }).data?.[0]?.embedding ?? [];
}

/** The engine has read a hostile file: its answers are bounded and its errors become failures. */
async function answerOf(response: IncomingMessage): Promise<object> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > MAX_ANSWER_BYTES) throw new RequestError(500, 'engine_error', 'its answer is far too long.');
      chunks.push(chunk);
    }
  } catch (error) {
    if (error instanceof RequestError) throw error;
    throw new EngineError('gone', 'The engine ended in the middle of an answer.', { cause: error });
  }
  let body: unknown;
  try {
    body = JSON.parse(Buffer.concat(chunks).toString('utf8'));
  } catch (error) {
    throw new RequestError(500, 'engine_error', `its answer is no JSON (${(error as Error).message}).`);
  }
  if (response.statusCode !== 200) {
    const { error } = body as { error?: { message?: string } };
    throw new RequestError(500, 'engine_error', error?.message ?? `it answered ${response.statusCode}.`);
  }
  return body as object;
}
