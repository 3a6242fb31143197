import type { LlamaEmbeddingContext, Token } from 'node-llama-cpp';
import type { EmbeddingRequest } from '../protocol/embedding.ts';
import { invalid } from '../protocol/errors.ts';
import type { LoadedModel } from './model.ts';

export interface Embedded {
  readonly vectors: readonly (readonly number[])[];
  readonly promptTokens: number;
}

/** Makes the embedding function of a model; its context is created with the first request and kept. */
export function embedder(loaded: LoadedModel): (request: EmbeddingRequest, signal: AbortSignal) => Promise<Embedded> {
  let context: Promise<LlamaEmbeddingContext> | undefined;

  return async (request, signal) => {
    const inputs = request.input.map((entry, index) => tokens(loaded, entry, index));
    context ??= loaded.model.createEmbeddingContext({ contextSize: loaded.contextSize, threads: loaded.threads });
    const ready = await context;
    const vectors: (readonly number[])[] = [];
    for (const input of inputs) {
      signal.throwIfAborted();
      vectors.push((await ready.getEmbeddingFor(input)).vector);
    }
    return { vectors, promptTokens: inputs.reduce((sum, input) => sum + input.length, 0) };
  };
}

function tokens(loaded: LoadedModel, entry: string | readonly number[], index: number): Token[] {
  const where = `input[${index}]`;
  const list = typeof entry === 'string' ? loaded.model.tokenize(entry, false) : ([...entry] as Token[]);
  const vocabulary = loaded.model.fileInfo.metadata.tokenizer?.ggml?.tokens?.length ?? 0;
  // A token number beyond the vocabulary would be an index into the embedding table.
  if (list.some((token) => token >= vocabulary)) {
    throw invalid(
      where,
      `${where} has a token that the model does not know; its tokens go from 0 to ${vocabulary - 1}.`,
    );
  }
  if (list.length > loaded.contextSize - 2) {
    const message = `${where} has ${list.length} tokens; the model takes ${loaded.contextSize - 2}. Split it.`;
    throw invalid(where, message, 'context_length_exceeded');
  }
  return list;
}
