import * as z from 'zod';
import { idParams, modelName, sha256, timestamp, uuid } from './common.ts';
import { defineContract } from './contract.ts';
import { modelFacts } from './registry.ts';

/** The seven stages, in order. */
export const stageNames = ['source', 'format', 'integrity', 'signature', 'static', 'behaviour', 'diffusion'] as const;
export type StageName = (typeof stageNames)[number];

export const finding = z.object({
  rule: z.string(),
  severity: z.enum(['info', 'low', 'medium', 'high', 'critical']),
  /** Where in the file: a metadata key, a tensor, a byte range, a prompt. */
  where: z.string(),
  message: z.string(),
});
export type Finding = z.infer<typeof finding>;

export const stageReport = z.object({
  name: z.enum(stageNames),
  verdict: z.enum(['pass', 'fail', 'skip', 'error']).nullable(),
  findings: z.array(finding),
  duration_ms: z.number().int().nullable(),
});
export type StageReport = z.infer<typeof stageReport>;

export const quarantineJob = z.object({
  id: uuid,
  name: modelName,
  state: z.enum(['queued', 'running', 'passed', 'rejected', 'failed', 'cancelled']),
  stages: z.array(stageReport).length(7),
  /** Index of the stage now running, and how far it is from 0 to 1. */
  current_stage: z.number().int().nullable(),
  progress: z.number().min(0).max(1).nullable(),
  /** One sentence for a person: why it was rejected or failed, or that it is available. */
  summary: z.string(),
  origin: z.string(),
  size: z.number().int().nonnegative(),
  sha256: sha256.nullable(),
  facts: modelFacts.nullable(),
  decision_id: z.string().nullable(),
  created_at: timestamp,
  updated_at: timestamp,
});
export type QuarantineJob = z.infer<typeof quarantineJob>;

export const quarantine = defineContract('quarantine', {
  submit: {
    method: 'POST',
    path: '/v1/jobs',
    summary: 'Submit a model: multipart with `file` and optional `name`, or JSON {source_url, sha256?, revision?}',
    scope: 'submit',
    rawBody: true,
    response: quarantineJob,
    status: 202,
  },
  list: {
    method: 'GET',
    path: '/v1/jobs',
    summary: 'Jobs, newest first',
    scope: 'read',
    response: z.object({ jobs: z.array(quarantineJob) }),
  },
  get: {
    method: 'GET',
    path: '/v1/jobs/:id',
    summary: 'One job',
    scope: 'read',
    params: idParams,
    response: quarantineJob,
  },
  events: {
    method: 'GET',
    path: '/v1/jobs/:id/events',
    summary: 'Server-sent events `job`: the whole job after each change',
    scope: 'read',
    params: idParams,
    stream: true,
  },
  cancel: {
    method: 'DELETE',
    path: '/v1/jobs/:id',
    summary: 'Cancel a job, or forget a finished one',
    scope: 'submit',
    params: idParams,
    response: quarantineJob,
  },
});
