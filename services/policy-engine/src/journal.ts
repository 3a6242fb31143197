/** The decision log: every decision in the audit log before it is answered, and the newest ones at hand. */
import { type AuditLog, readAuditLog, readAuditSize } from '@secai/audit';
import { type Decision, type DecisionRequest, type PolicyDomain, policyEngine } from '@secai/contracts';
import type { z } from 'zod';

const listed = policyEngine.routes.decisions.response.shape.decisions.element;
export type ListedDecision = z.output<typeof listed>;

const KEPT = 1000;
/** How far back a start looks for decisions; between them lie few other records. */
const LOOKED_AT = 4 * KEPT;

export class DecisionJournal {
  readonly #audit: AuditLog;
  readonly #newest: ListedDecision[] = [];

  constructor(audit: AuditLog) {
    this.#audit = audit;
  }

  /** Takes up the newest decisions of an earlier run. */
  async restore(dir: string): Promise<void> {
    const from = Math.max(0, (await readAuditSize(dir)) - LOOKED_AT);
    for await (const record of readAuditLog({ dir, from })) {
      if (record['event'] !== 'decision') continue;
      const entry = listed.safeParse(record);
      if (entry.success) this.#keep(entry.data);
    }
  }

  /**
   * Resolves when the decision is on disk. Kept are digests and who wanted what, never the context: it may hold what the
   * decision was there to protect. Labels lose their sources, which name files and addresses.
   */
  async record(caller: string, request: DecisionRequest, decision: Decision): Promise<void> {
    const { evidence } = decision;
    const entry = {
      decision_id: decision.decision_id,
      caller,
      domain: request.domain,
      principal: request.principal,
      action: request.action,
      resource: maskResource(request.domain, request.resource),
      decision: decision.decision,
      reason: decision.reason,
      policies: evidence.policies,
      input_digest: evidence.input_digest,
    };
    const labels = maskLabels(evidence.labels);
    await this.#audit.append({ event: 'decision', ...entry, policy_digest: evidence.policy_digest, labels });
    this.#keep({ ...entry, time: evidence.evaluated_at });
  }

  /** The newest decisions first. */
  list(limit: number): ListedDecision[] {
    return this.#newest.slice(-limit).reverse();
  }

  #keep(entry: ListedDecision): void {
    this.#newest.push(entry);
    if (this.#newest.length >= 2 * KEPT) this.#newest.splice(0, this.#newest.length - KEPT);
  }
}

/** Addresses without query, fragment and user name: they carry tokens and personal data. */
export function maskResource(domain: PolicyDomain, resource: string): string {
  if (domain !== 'egress') return resource;
  if (!URL.canParse(resource)) return '(not an address)';
  const { origin, protocol, host, pathname, search } = new URL(resource);
  return `${origin === 'null' ? `${protocol}//${host}` : origin}${pathname}${search && '?…'}`;
}

function maskLabels(labels: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(labels).map(([name, label]) => {
      const { sources: _, ...kept } = label as { sources?: unknown };
      return [name, kept];
    }),
  );
}
