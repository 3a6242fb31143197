import { invalid } from './errors.ts';
import type { Fields } from './fields.ts';

/** How the next token is chosen, and when to stop. Wire names; every number is inside the range that is checked below. */
export interface Sampling {
  readonly temperature: number;
  readonly top_p: number;
  readonly top_k: number;
  readonly min_p: number;
  readonly frequency_penalty: number;
  readonly presence_penalty: number;
  readonly repeat_penalty: number;
  /** Absent: a new random one for each request. */
  readonly seed?: number;
  /** Absent: as many as the context holds. */
  readonly max_tokens?: number;
  readonly stop: readonly string[];
  readonly stream: boolean;
  readonly include_usage: boolean;
}

const MAX_TOKENS = 1_000_000;

/** Reads what chat and text completions have in common. Defaults are llama-server's. */
export function readSampling(fields: Fields): Sampling {
  const seed = fields.integer('seed', Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER);
  const newer = fields.integer('max_completion_tokens', 1, MAX_TOKENS);
  const maxTokens = newer ?? fields.integer('max_tokens', 1, MAX_TOKENS);
  if (newer !== undefined) fields.ignore('max_tokens');
  const stream = fields.boolean('stream') ?? false;
  const streamOptions = fields.object('stream_options');
  const includeUsage = streamOptions?.boolean('include_usage') ?? false;
  streamOptions?.ignore('include_obfuscation');
  streamOptions?.done();
  fields.unsupported('n', [1], 'one answer is made per request');
  fields.unsupported('best_of', [1], 'one answer is made per request');
  fields.unsupported('logit_bias', [{}], 'it is not offered by this engine');
  fields.unsupported('logprobs', [false, 0], 'this engine does not report token probabilities');
  fields.unsupported('top_logprobs', [0], 'this engine does not report token probabilities');
  fields.ignore('user', 'metadata', 'store', 'service_tier', 'safety_identifier', 'prompt_cache_key');
  return {
    temperature: fields.number('temperature', 0, 2) ?? 0.8,
    top_p: fields.number('top_p', 0.001, 1) ?? 0.95,
    top_k: fields.integer('top_k', 0, 1000) ?? 40,
    min_p: fields.number('min_p', 0, 1) ?? 0.05,
    frequency_penalty: fields.number('frequency_penalty', -2, 2) ?? 0,
    presence_penalty: fields.number('presence_penalty', -2, 2) ?? 0,
    repeat_penalty: fields.number('repeat_penalty', 0.5, 2) ?? 1,
    // Engines take 32 bits: folded here, so that equal seeds stay equal in both.
    ...(seed === undefined ? {} : { seed: seed >>> 0 }),
    ...(maxTokens === undefined ? {} : { max_tokens: maxTokens }),
    stop: readStop(fields),
    stream,
    include_usage: includeUsage,
  };
}

function readStop(fields: Fields): string[] {
  const raw = fields.raw('stop');
  if (raw === undefined) return [];
  const list = Array.isArray(raw) ? raw : [raw];
  const fine = list.every((text) => typeof text === 'string' && text.length > 0 && text.length <= 256);
  if (!fine || list.length > 16) {
    throw invalid('stop', 'stop must be a text of 1 to 256 characters, or up to 16 of them.');
  }
  return list;
}
