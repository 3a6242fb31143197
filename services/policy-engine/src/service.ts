import { randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { readAuditSize } from '@secai/audit';
import { type Decision, type DecisionRequest, Problem, policyDomain, policyEngine } from '@secai/contracts';
import { type Clock, defineService, isoTime } from '@secai/kit';
import { digestOf } from '@secai/policy';
import { loadSigningKey } from '@secai/signing';
import { PolicyBook, readShipped } from './book.ts';
import { DecisionJournal } from './journal.ts';
import { OverlayStore } from './overlay.ts';

const SHIPPED = fileURLToPath(new URL('../policies', import.meta.url));

/** Decides allow, ask or deny for six domains; see README.md. */
export const policyEngineService = defineService({
  contract: policyEngine,
  async create({ config, audit, clock, logger }) {
    const store = new OverlayStore(config.SECAI_STATE_DIR, await loadSigningKey(config.SECAI_AUDIT_KEY));
    const { overlays, fault } = await store.load((await readAuditSize(config.SECAI_AUDIT_DIR)) === 0);
    if (fault) {
      logger.error({ fault }, 'overlay_tampered');
      await audit.append({ event: 'overlay_tampered', fault });
    }
    const book = new PolicyBook(await readShipped(SHIPPED), overlays, store);
    const journal = new DecisionJournal(audit);
    await journal.restore(config.SECAI_AUDIT_DIR);

    const decide = async (request: DecisionRequest, caller: string): Promise<Decision> => {
      const decision = evaluate(book, clock, request);
      await journal.record(caller, request, decision);
      return decision;
    };

    return {
      readiness: {
        overlay: async () => {
          for (const reason of book.faults.values()) throw new Error(reason);
        },
      },
      handlers: {
        decide: ({ body, caller }) => decide(body, caller.name),
        decideBatch: async ({ body, caller }) => ({
          decisions: await Promise.all(body.requests.map((request) => decide(request, caller.name))),
        }),
        listPolicies: () => ({
          digest: book.digest,
          domains: policyDomain.options.map((domain) => book.describe(domain)),
        }),
        digest: () => ({ digest: book.digest }),
        validate: ({ params, body }) => {
          const errors = book.check(params.domain, body.text);
          return { valid: errors.length === 0, errors };
        },
        apply: async ({ params: { domain }, body: { text }, caller }) => {
          const change = await book.apply(domain, text, async ({ version, digest }) => {
            await audit.append({
              event: 'policy_apply',
              caller: caller.name,
              domain,
              version,
              text_digest: digestOf(text),
              policy_digest: digest,
            });
          });
          return { domain, overlay_version: change.version, digest: change.digest };
        },
        decisions: ({ query }) => ({ decisions: journal.list(query.limit) }),
      },
    };
  },
});

function evaluate(book: PolicyBook, clock: Clock, request: DecisionRequest): Decision {
  const { domain, ...input } = request;
  const inputDigest = digestOfInput(request);
  const { decision, reason, policies, labels, eval_us, policyDigest } = book.decide(domain, input);
  return {
    decision,
    decision_id: randomUUID(),
    reason,
    evidence: {
      domain,
      policies,
      policy_digest: policyDigest,
      input_digest: inputDigest,
      labels,
      evaluated_at: isoTime(clock),
      eval_us,
    },
  };
}

function digestOfInput(request: DecisionRequest): string {
  try {
    return digestOf(request);
  } catch (error) {
    throw new Problem('invalid_field', `the request has no canonical form: ${(error as Error).message}`, {}, error);
  }
}
