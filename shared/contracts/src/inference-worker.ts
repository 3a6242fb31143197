import * as z from 'zod';
import { modelName, sha256 } from './common.ts';
import { defineContract } from './contract.ts';

const openAiModel = z.object({
  id: modelName,
  object: z.literal('model'),
  created: z.number().int(),
  owned_by: z.string(),
});

export const inferenceStatus = z.object({
  engine: z.enum(['llama-server', 'node-llama-cpp']).nullable(),
  engine_version: z.string().nullable(),
  /** How the engine process is shut in, in words. */
  isolation: z.string().nullable(),
  state: z.enum(['idle', 'loading', 'ready', 'failed']),
  model: modelName.nullable(),
  sha256: sha256.nullable(),
  context_length: z.number().int().nullable(),
  slots: z.object({ total: z.number().int(), busy: z.number().int(), queued: z.number().int() }),
  detail: z.string().nullable(),
});
export type InferenceStatus = z.infer<typeof inferenceStatus>;

/** The OpenAI routes take the body as it comes (`rawBody`): the worker reads `model`, the engine checks every other field. */
export const inferenceWorker = defineContract('inference-worker', {
  chat: {
    method: 'POST',
    path: '/v1/chat/completions',
    summary: 'OpenAI chat completion',
    scope: 'infer',
    rawBody: true,
    stream: true,
  },
  complete: {
    method: 'POST',
    path: '/v1/completions',
    summary: 'OpenAI text completion',
    scope: 'infer',
    rawBody: true,
    stream: true,
  },
  embed: {
    method: 'POST',
    path: '/v1/embeddings',
    summary: 'OpenAI embeddings',
    scope: 'infer',
    rawBody: true,
    stream: true,
  },
  models: {
    method: 'GET',
    path: '/v1/models',
    summary: 'Models that can be asked',
    scope: 'read',
    response: z.object({ object: z.literal('list'), data: z.array(openAiModel) }),
  },
  load: {
    method: 'POST',
    path: '/v1/load',
    summary: 'Load a model of the registry',
    scope: 'manage',
    body: z.strictObject({ model: modelName }),
    response: inferenceStatus,
  },
  unload: {
    method: 'POST',
    path: '/v1/unload',
    summary: 'Stop the engine and free its memory',
    scope: 'manage',
    response: inferenceStatus,
  },
  status: {
    method: 'GET',
    path: '/v1/status',
    summary: 'What is loaded and how busy it is',
    scope: 'read',
    response: inferenceStatus,
  },
});
