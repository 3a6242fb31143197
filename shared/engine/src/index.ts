export {
  type Engine,
  type EngineKind,
  type EngineOptions,
  type EngineProps,
  type EngineRequestOptions,
  spawnEngine,
} from './engine.ts';
export { EngineError, type EngineErrorCode } from './errors.ts';
export { type ChatRequest, type Message, parseChatRequest, type Tool, type ToolCall } from './protocol/chat.ts';
export { type CompletionRequest, parseCompletionRequest } from './protocol/completion.ts';
export { type EmbeddingRequest, parseEmbeddingRequest } from './protocol/embedding.ts';
export { type ErrorBody, RequestError } from './protocol/errors.ts';
export type { Sampling } from './protocol/sampling.ts';
export { type Lease, QueueFullError, SlotPool } from './slots.ts';
