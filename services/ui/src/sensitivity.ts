import { type Decision, Problem } from '@secai/contracts';
import type { Parts } from './parts.ts';

/** Where text goes; the names of services/policy-engine/policies/sensitivity.cedarschema. */
export type Sink = 'local-model' | 'api-client';

export interface Flow {
  /** `trusted` while every word is the owner's own; a model's words are not. */
  integrity: 'trusted' | 'untrusted';
  sinks: readonly Sink[];
  model: string;
  /** `page`, or the API key's caller name. */
  via: string;
}

/** How long the policy engine may take before the answer is no. */
const DEADLINE_MS = 2000;

type FlowParts = Pick<Parts, 'peers' | 'audit'>;

/**
 * Asks the policy whether the owner's text may flow to all of the sinks. Chats are `internal`: they stay on the machine
 * and need no approval there. Returns how to write the permission down, which must be done before anything flows.
 * Throws `policy_denied` or `policy_unreachable`, written down already.
 */
export async function allowFlow(parts: FlowParts, flow: Flow): Promise<{ record: () => Promise<void> }> {
  const about = { model: flow.model, via: flow.via, sinks: [...flow.sinks] };
  try {
    const decisions = await decide(parts, flow);
    const decision_ids = decisions.map(({ decision_id }) => decision_id);
    return {
      record: async () => {
        await parts.audit.append({ event: 'flow_allowed', ...about, decision_ids });
      },
    };
  } catch (error) {
    if (error instanceof Problem)
      await parts.audit.append({
        event: 'flow_refused',
        ...about,
        code: error.code,
        ...(error.extra.decision_id && { decision_id: error.extra.decision_id }),
      });
    throw error;
  }
}

/** One question for all sinks: each would cost its own way there and its own durable record. */
async function decide({ peers }: FlowParts, { sinks, integrity }: Flow): Promise<Decision[]> {
  const requests = sinks.map((resource) => ({
    domain: 'sensitivity' as const,
    principal: 'user:owner',
    action: 'flow',
    resource,
    context: { label: { integrity, sensitivity: 'internal' } },
  }));
  let decisions: Decision[];
  try {
    ({ decisions } = await peers['policy-engine'].decideBatch({ body: { requests }, deadlineMs: DEADLINE_MS }));
  } catch (error) {
    throw unreachable((error as Error).message, error);
  }
  if (decisions.length !== requests.length) throw unreachable('it left questions open');
  for (const { decision, decision_id, reason } of decisions)
    if (decision !== 'allow')
      throw new Problem('policy_denied', decision === 'ask' ? `needs an approval: ${reason}` : reason, { decision_id });
  return decisions;
}

function unreachable(why: string, cause?: unknown): Problem {
  return new Problem(
    'policy_unreachable',
    `the policy engine could not be asked, so this was not allowed (${why})`,
    {},
    cause,
  );
}
