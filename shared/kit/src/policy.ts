import { type Client, type Decision, type DecisionRequest, Problem, type policyEngine } from '@secai/contracts';

/** Asks the policy engine and fails closed. */
export interface PolicyGate {
  /** The decision; an engine that does not answer within 2 s, or answers nonsense, becomes `policy_unreachable`. */
  decide(request: DecisionRequest): Promise<Decision>;
  /** The decision when it allows. Throws `policy_denied` (deny, or ask where nobody can be asked) or `policy_unreachable`. */
  require(request: DecisionRequest): Promise<Decision>;
}

/** A gate over the policy engine's client. */
export function policyGate(client: Client<(typeof policyEngine)['routes']>): PolicyGate {
  const decide = async (request: DecisionRequest): Promise<Decision> => {
    try {
      return await client.decide({ body: request, deadlineMs: 2000 });
    } catch (error) {
      if (error instanceof Problem && error.code !== 'dependency_unavailable') throw error;
      throw new Problem(
        'policy_unreachable',
        `the policy engine could not be asked, so this was not allowed (${(error as Error).message})`,
        {},
        error,
      );
    }
  };
  return {
    decide,
    async require(request) {
      const decision = await decide(request);
      if (decision.decision === 'allow') return decision;
      const detail = decision.decision === 'ask' ? `needs an approval: ${decision.reason}` : decision.reason;
      throw new Problem('policy_denied', detail, { decision_id: decision.decision_id });
    },
  };
}
