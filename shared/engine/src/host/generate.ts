import { randomInt } from 'node:crypto';
import { LlamaChat, LlamaCompletion, type LlamaContextSequence, type LlamaGrammar, type Token } from 'node-llama-cpp';
import type { ChatRequest } from '../protocol/chat.ts';
import type { CompletionRequest } from '../protocol/completion.ts';
import { invalid, RequestError } from '../protocol/errors.ts';
import type { Sampling } from '../protocol/sampling.ts';
import { type Lease, QueueFullError } from '../slots.ts';
import { toFunctions, toHistory } from './history.ts';
import type { LoadedModel } from './model.ts';

export type FinishReason = 'stop' | 'length' | 'tool_calls';

/** A piece of the answer, in the order in which it was generated. */
export type Piece =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'thought'; readonly text: string }
  | { readonly kind: 'call'; readonly index: number; readonly name: string; readonly arguments: string };

export interface Generated {
  readonly finishReason: FinishReason;
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly completionTokens: number;
}

export interface RunOptions {
  /** Whose conversation this is: what the sequence remembers is reused for the same key only. Null: never. */
  readonly session: string | null;
  readonly signal: AbortSignal;
  readonly onPiece: (piece: Piece) => void;
}

/** Prompts are read in pieces of about this long, so that a cancelled one stops soon. */
const PREFILL_TARGET_MS = 120;
const PENALTY_WINDOW = 64;

/**
 * Answers a chat. Rejects with RequestError for a prompt that does not fit and a full queue, with the signal's reason
 * when aborted.
 */
export async function runChat(loaded: LoadedModel, request: ChatRequest, options: RunOptions): Promise<Generated> {
  const history = toHistory(request.messages);
  const functions = toFunctions(request);
  const grammar = await grammarFor(loaded, request);
  if (history.at(-1)?.type !== 'model') history.push({ type: 'model', response: [] });
  const state = loaded.wrapper.generateContextState({
    chatHistory: history,
    ...(functions === undefined ? {} : { availableFunctions: functions, documentFunctionParams: true }),
  });
  const prompt = state.contextText.tokenize(loaded.model.tokenizer);
  return onSequence(loaded, prompt, request, options, async (sequence, maxTokens) => {
    const chat = new LlamaChat({ contextSequence: sequence, chatWrapper: loaded.wrapper });
    let calls = 0;
    try {
      const { metadata } = await chat.generateResponse(history, {
        ...samplingOf(request),
        maxTokens,
        signal: options.signal,
        customStopTriggers: request.stop,
        budgets: { thoughtTokens: Number.POSITIVE_INFINITY, commentTokens: Number.POSITIVE_INFINITY },
        onResponseChunk: (chunk) => {
          if (chunk.text === '') return;
          options.onPiece({ kind: chunk.type === 'segment' ? 'thought' : 'text', text: chunk.text });
        },
        ...(functions === undefined
          ? { grammar }
          : {
              functions,
              documentFunctionParams: true,
              maxParallelFunctionCalls: request.parallel_tool_calls ? 16 : 1,
              onFunctionCall: (call: { functionName: string; params: unknown }) => {
                const args = JSON.stringify(call.params ?? {});
                options.onPiece({ kind: 'call', index: calls++, name: call.functionName, arguments: args });
              },
            }),
      });
      if (metadata.stopReason === 'functionCalls') return 'tool_calls';
      return metadata.stopReason === 'maxTokens' ? 'length' : 'stop';
    } finally {
      chat.dispose();
    }
  });
}

/** Continues a text. Rejects as `runChat` does. */
export async function runCompletion(
  loaded: LoadedModel,
  request: CompletionRequest,
  options: RunOptions,
): Promise<Generated> {
  const prompt = loaded.model.tokenize(request.prompt, false);
  if (prompt[0] !== loaded.model.tokens.bos && loaded.model.tokens.shouldPrependBosToken) {
    prompt.unshift(loaded.model.tokens.bos!);
  }
  return onSequence(loaded, prompt, request, options, async (sequence, maxTokens) => {
    const completion = new LlamaCompletion({ contextSequence: sequence });
    try {
      const { metadata } = await completion.generateCompletionWithMeta(prompt, {
        ...samplingOf(request),
        maxTokens,
        signal: options.signal,
        customStopTriggers: request.stop,
        disableContextShift: true,
        onTextChunk: (text) => options.onPiece({ kind: 'text', text }),
      });
      return metadata.stopReason === 'maxTokens' ? 'length' : 'stop';
    } finally {
      completion.dispose();
    }
  });
}

async function onSequence(
  loaded: LoadedModel,
  prompt: Token[],
  request: Sampling,
  { session, signal }: RunOptions,
  generate: (sequence: LlamaContextSequence, maxTokens: number) => Promise<FinishReason>,
): Promise<Generated> {
  // Two cells stay free: the sequence must never be so full that the library starts to forget the beginning.
  const room = loaded.contextSize - prompt.length - 2;
  if (room < 1) {
    const message = `The prompt has ${prompt.length} tokens; the context holds ${loaded.contextSize}. Shorten it or start a new chat.`;
    throw new RequestError(400, 'context_length_exceeded', message, 'messages');
  }
  const lease = await acquire(loaded, session, signal);
  const sequence = loaded.sequences[lease.index]!;
  let keep = false;
  try {
    if (lease.fresh) await sequence.clearHistory();
    const cachedTokens = await prefill(loaded, sequence, prompt, signal);
    const before = sequence.tokenMeter.getState();
    const finishReason = await generate(sequence, Math.min(request.max_tokens ?? room, room));
    const completionTokens = sequence.tokenMeter.diff(before).usedOutputTokens;
    keep = session !== null;
    return { finishReason, promptTokens: prompt.length, cachedTokens, completionTokens };
  } catch (error) {
    // An aborted turn leaves a usable prefix; after any other failure nothing of the sequence is trusted.
    keep = session !== null && signal.aborted;
    throw error;
  } finally {
    lease.release(keep);
  }
}

async function acquire(loaded: LoadedModel, session: string | null, signal: AbortSignal): Promise<Lease> {
  try {
    return await loaded.slots.acquire(session, signal);
  } catch (error) {
    if (!(error instanceof QueueFullError)) throw error;
    throw new RequestError(503, 'engine_busy', `The engine is busy: ${error.message} Try again in a moment.`);
  }
}

/**
 * Reads the prompt into the sequence piece by piece, checking for a cancel between pieces, and leaves the last piece to
 * the generation: a pass of its own for a single token would delay the first answer. Returns how much was there already.
 */
async function prefill(loaded: LoadedModel, sequence: LlamaContextSequence, prompt: Token[], signal: AbortSignal) {
  await sequence.adaptStateToTokens(prompt.slice(0, -1), false);
  const cached = sequence.nextTokenIndex;
  const { pace } = loaded;
  for (let at = cached; prompt.length - at > pace.tokens; ) {
    signal.throwIfAborted();
    const piece = prompt.slice(at, at + pace.tokens);
    const started = performance.now();
    await sequence.evaluateWithoutGeneratingNewTokens(piece);
    at += piece.length;
    const perToken = (performance.now() - started) / piece.length;
    pace.tokens = Math.max(24, Math.min(512, pace.tokens * 2, Math.floor(PREFILL_TARGET_MS / perToken)));
  }
  signal.throwIfAborted();
  return cached;
}

function samplingOf(request: Sampling) {
  const { frequency_penalty: frequency, presence_penalty: presence, repeat_penalty: repeat } = request;
  const penalised = frequency !== 0 || presence !== 0 || repeat !== 1;
  return {
    temperature: request.temperature,
    topP: request.top_p,
    topK: request.top_k,
    minP: request.min_p,
    seed: request.seed ?? randomInt(2 ** 32),
    repeatPenalty: penalised
      ? { lastTokens: PENALTY_WINDOW, penalty: repeat, frequencyPenalty: frequency, presencePenalty: presence }
      : (false as const),
  };
}

async function grammarFor(loaded: LoadedModel, request: ChatRequest): Promise<LlamaGrammar | undefined> {
  const format = request.response_format;
  if (format.type === 'text') return undefined;
  if (format.type === 'json_object') return loaded.llama.getGrammarFor('json');
  try {
    return await loaded.llama.createGrammarForJsonSchema(format.json_schema.schema as never);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw invalid('response_format.json_schema.schema', `The schema cannot be enforced: ${why}`, 'unsupported_schema');
  }
}
