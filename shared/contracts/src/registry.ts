import * as z from 'zod';
import { modelName, nameParams, sha256, timestamp, uuid } from './common.ts';
import { defineContract } from './contract.ts';

export const modelFormat = z.enum(['gguf', 'safetensors']);

/** What quarantine learned and the registry keeps beside the pin. */
export const modelFacts = z.strictObject({
  format: modelFormat,
  architecture: z.string().max(100).optional(),
  display_name: z.string().max(200).optional(),
  parameters: z.number().int().nonnegative().optional(),
  quantization: z.string().max(40).optional(),
  context_length: z.number().int().nonnegative().optional(),
  licence: z.string().max(200).optional(),
  has_chat_template: z.boolean().optional(),
  /** Merkle root over the per-tensor hashes. */
  tensor_root: sha256.optional(),
});

export const model = z.object({
  name: modelName,
  sha256,
  size: z.number().int().nonnegative(),
  facts: modelFacts,
  /** File in the models folder, named by digest. */
  file: z.string(),
  state: z.enum(['available', 'quarantined']),
  state_reason: z.string().optional(),
  job_id: uuid,
  /** The promotion's policy decision. */
  decision_id: z.string(),
  signature: z.enum(['valid', 'missing']),
  promoted_at: timestamp,
  verified_at: timestamp,
});
export type Model = z.infer<typeof model>;
export type ModelFacts = z.infer<typeof modelFacts>;

export const promotionRequest = z.strictObject({
  name: modelName,
  job_id: uuid,
  /** Path of the file below the quarantine folder. */
  file: z.string().min(1).max(300),
  sha256,
  size: z.number().int().nonnegative(),
  facts: modelFacts,
  signature: z.enum(['valid', 'missing', 'invalid']),
  origin: z.string().max(2000),
  /** Verdict of each stage, in order. */
  stages: z
    .array(z.strictObject({ name: z.string().max(40), verdict: z.enum(['pass', 'fail', 'skip', 'error']) }))
    .length(7),
  /** The engine's policy digest when the scan began; a change voids the scan. */
  policy_digest: sha256,
});

export const registry = defineContract('registry', {
  list: {
    method: 'GET',
    path: '/v1/models',
    summary: 'The models of this machine',
    scope: 'read',
    response: z.object({ models: z.array(model), manifest_digest: sha256 }),
  },
  get: {
    method: 'GET',
    path: '/v1/models/:name',
    summary: 'One model',
    scope: 'read',
    params: nameParams,
    response: model,
  },
  promote: {
    method: 'POST',
    path: '/v1/models',
    summary: 'Copy a scanned file into the store and pin it',
    scope: 'promote',
    body: promotionRequest,
    response: model,
    status: 201,
  },
  verify: {
    method: 'POST',
    path: '/v1/models/:name/verify',
    summary: 'Hash the stored file again and compare it with its pin',
    scope: 'read',
    params: nameParams,
    response: z.object({ job_id: uuid }),
    status: 202,
  },
  verification: {
    method: 'GET',
    path: '/v1/verifications/:id',
    summary: 'Progress and result of a verification',
    scope: 'read',
    params: z.strictObject({ id: uuid }),
    response: z.object({
      id: uuid,
      name: modelName,
      state: z.enum(['running', 'matches', 'differs', 'failed']),
      bytes_done: z.number().int(),
      bytes_total: z.number().int(),
      detail: z.string().optional(),
    }),
  },
  remove: {
    method: 'DELETE',
    path: '/v1/models/:name',
    summary: 'Remove a model and its file',
    scope: 'human',
    params: nameParams,
    response: z.object({ removed: modelName }),
  },
  quarantine: {
    method: 'POST',
    path: '/v1/models/:name/quarantine',
    summary: 'Take a model out of use',
    scope: 'contain',
    params: nameParams,
    body: z.strictObject({ reason: z.string().min(1).max(500) }),
    response: model,
  },
  release: {
    method: 'POST',
    path: '/v1/models/:name/release',
    summary: 'Bring a model back into use after a fresh verification',
    scope: 'human',
    params: nameParams,
    response: model,
  },
});
