import { type ChatRequest, parseChatRequest } from './protocol/chat.ts';
import { type CompletionRequest, parseCompletionRequest } from './protocol/completion.ts';
import { type EmbeddingRequest, parseEmbeddingRequest } from './protocol/embedding.ts';

export type EnginePath = '/v1/chat/completions' | '/v1/completions' | '/v1/embeddings';

/**
 * Checks a body for its endpoint and returns it as it goes to an engine: every field known and inside its range.
 * Throws RequestError naming the field at fault.
 */
export function checkedBody(path: EnginePath, body: unknown): Record<string, unknown> {
  switch (path) {
    case '/v1/chat/completions':
      return chatWire(parseChatRequest(body));
    case '/v1/completions':
      return samplingWire(parseCompletionRequest(body));
    case '/v1/embeddings':
      return { ...parseEmbeddingRequest(body) } satisfies EmbeddingRequest;
  }
}

function chatWire(request: ChatRequest): Record<string, unknown> {
  const { tools, tool_choice, parallel_tool_calls, response_format, ...rest } = request;
  const calling = tools.length === 0 ? {} : { tools, tool_choice, parallel_tool_calls };
  const format = response_format.type === 'text' ? {} : { response_format };
  return { ...samplingWire(rest), ...calling, ...format };
}

function samplingWire(request: Omit<CompletionRequest, 'prompt' | 'echo'>): Record<string, unknown> {
  const { include_usage, ...rest } = request;
  return request.stream ? { ...rest, stream_options: { include_usage } } : rest;
}
