import * as z from 'zod';
import { sha256, timestamp } from './common.ts';
import { defineContract } from './contract.ts';

export const policyDomain = z.enum([
  'tool_access',
  'path_access',
  'egress',
  'agent_risk',
  'sensitivity',
  'model_promotion',
]);
export type PolicyDomain = z.infer<typeof policyDomain>;

export const decisionRequest = z.strictObject({
  domain: policyDomain,
  /** The service or user that wants something. */
  principal: z.string().min(1).max(200),
  /** The verb. */
  action: z.string().min(1).max(100),
  /** Tool name, absolute path, URL or model name. */
  resource: z.string().min(1).max(4096),
  context: z.record(z.string(), z.unknown()).default({}),
});
export type DecisionRequest = z.infer<typeof decisionRequest>;

export const decision = z.object({
  decision: z.enum(['allow', 'deny', 'ask']),
  decision_id: z.string(),
  reason: z.string(),
  evidence: z.object({
    domain: policyDomain,
    /** Ids of the policies that decided. */
    policies: z.array(z.string()),
    policy_digest: sha256,
    /** Over the RFC 8785 form of the whole request. */
    input_digest: sha256,
    labels: z.record(z.string(), z.unknown()),
    evaluated_at: timestamp,
    eval_us: z.number(),
  }),
});
export type Decision = z.infer<typeof decision>;

const domainParams = z.strictObject({ domain: policyDomain });
const policyText = z.strictObject({ text: z.string().max(256 * 1024) });

export const policyEngine = defineContract('policy-engine', {
  decide: {
    method: 'POST',
    path: '/v1/decide',
    summary: 'Decide one request',
    scope: 'decide',
    body: decisionRequest,
    response: decision,
  },
  decideBatch: {
    method: 'POST',
    path: '/v1/decide/batch',
    summary: 'Decide up to 256 requests at once',
    scope: 'decide',
    body: z.strictObject({ requests: z.array(decisionRequest).min(1).max(256) }),
    response: z.object({ decisions: z.array(decision) }),
  },
  listPolicies: {
    method: 'GET',
    path: '/v1/policies',
    summary: 'The policies in force',
    scope: 'read',
    response: z.object({
      digest: sha256,
      domains: z.array(
        z.object({
          domain: policyDomain,
          digest: sha256,
          shipped: z.string(),
          overlay: z.string(),
          overlay_version: z.number().int(),
          policies: z.array(
            z.object({
              id: z.string(),
              source: z.enum(['shipped', 'overlay']),
              effect: z.enum(['permit', 'forbid']),
              reason: z.string(),
            }),
          ),
        }),
      ),
    }),
  },
  digest: {
    method: 'GET',
    path: '/v1/digest',
    summary: 'One hash over all policies in force',
    scope: 'read',
    response: z.object({ digest: sha256 }),
  },
  validate: {
    method: 'POST',
    path: '/v1/policies/:domain/validate',
    summary: 'Check the text of your own rules without applying it',
    scope: 'read',
    params: domainParams,
    body: policyText,
    response: z.object({
      valid: z.boolean(),
      errors: z.array(
        z.object({ message: z.string(), line: z.number().int().optional(), policy: z.string().optional() }),
      ),
    }),
  },
  apply: {
    method: 'PUT',
    path: '/v1/policies/:domain',
    summary: 'Replace your own rules of a domain',
    scope: 'human',
    params: domainParams,
    body: policyText,
    response: z.object({ domain: policyDomain, overlay_version: z.number().int(), digest: sha256 }),
  },
  decisions: {
    method: 'GET',
    path: '/v1/decisions',
    summary: 'The newest decisions first',
    scope: 'read',
    query: z.strictObject({ limit: z.coerce.number().int().min(1).max(1000).default(100) }),
    response: z.object({
      decisions: z.array(
        z.object({
          decision_id: z.string(),
          time: timestamp,
          caller: z.string(),
          domain: policyDomain,
          principal: z.string(),
          action: z.string(),
          resource: z.string(),
          decision: z.enum(['allow', 'deny', 'ask']),
          reason: z.string(),
          policies: z.array(z.string()),
          input_digest: sha256,
        }),
      ),
    }),
  },
});
