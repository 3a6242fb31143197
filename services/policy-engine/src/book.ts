/** The policies in force: shipped and the user's own, one loaded domain each. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type PolicyDomain, Problem, policyDomain } from '@secai/contracts';
import { type DecisionInput, type Domain, digestOf, loadDomain, type Outcome, PolicyError } from '@secai/policy';
import type { Overlay, OverlayStore, Overlays } from './overlay.ts';

export interface ShippedPolicies {
  schema: string;
  policies: string;
}

const OVERLAY_FILE = 'your rules';

/** Reads `<domain>.cedarschema` and `<domain>.cedar` of every domain. */
export async function readShipped(dir: string): Promise<Record<PolicyDomain, ShippedPolicies>> {
  const read = (name: string): Promise<string> => readFile(join(dir, name), 'utf8');
  const entries = policyDomain.options.map(async (domain) => {
    const [schema, policies] = await Promise.all([read(`${domain}.cedarschema`), read(`${domain}.cedar`)]);
    return [domain, { schema, policies }] as const;
  });
  return Object.fromEntries(await Promise.all(entries)) as Record<PolicyDomain, ShippedPolicies>;
}

/** One domain with the overlay text. Throws PolicyError. */
export function loadWith(domain: PolicyDomain, shipped: ShippedPolicies, overlay: string): Domain {
  return loadDomain({
    domain,
    schema: { file: `${domain}.cedarschema`, text: shipped.schema },
    policies: [
      { file: `${domain}.cedar`, text: shipped.policies },
      { file: OVERLAY_FILE, text: overlay },
    ],
  });
}

/**
 * The loaded domains. A domain whose overlay is not known any more answers no to everything. Changing one replaces it
 * between two decisions: evaluation is synchronous, so no request sees half of a change or waits for it.
 */
export class PolicyBook {
  readonly #shipped: Record<PolicyDomain, ShippedPolicies>;
  readonly #store: OverlayStore;
  readonly #overlays: Overlays;
  readonly #domains = new Map<PolicyDomain, Domain>();
  readonly #faults = new Map<PolicyDomain, string>();
  #applying: Promise<unknown> = Promise.resolve();

  constructor(shipped: Record<PolicyDomain, ShippedPolicies>, overlays: Overlays, store: OverlayStore) {
    this.#shipped = shipped;
    this.#store = store;
    this.#overlays = overlays;
    for (const domain of policyDomain.options) this.#load(domain, overlays[domain]);
  }

  /** Decides, with the digest of the policies that did. */
  decide(domain: PolicyDomain, input: DecisionInput): Outcome & { policyDigest: string } {
    const fault = this.#faults.get(domain);
    const loaded = this.#domains.get(domain)!;
    if (fault === undefined) return { ...loaded.decide(input), policyDigest: this.digestOf(domain) };
    return {
      decision: 'deny',
      reason: fault,
      policies: [],
      labels: {},
      eval_us: 0,
      policyDigest: this.digestOf(domain),
    };
  }

  /** Why domains answer no to everything; empty when all is well. */
  get faults(): ReadonlyMap<PolicyDomain, string> {
    return this.#faults;
  }

  digestOf(domain: PolicyDomain): string {
    const loaded = this.#domains.get(domain)!;
    return this.#faults.has(domain) ? digestOf({ domain, fault: true }) : loaded.digest;
  }

  /** One hash over every domain's. */
  get digest(): string {
    return digestOf(Object.fromEntries(policyDomain.options.map((domain) => [domain, this.digestOf(domain)])));
  }

  describe(domain: PolicyDomain) {
    const overlay = this.#overlays[domain];
    return {
      domain,
      digest: this.digestOf(domain),
      shipped: this.#shipped[domain].policies,
      overlay: overlay?.text ?? '',
      overlay_version: overlay?.version ?? 0,
      policies: this.#domains.get(domain)!.rules.map(({ id, file, effect, reason }) => ({
        id,
        source: file === OVERLAY_FILE ? ('overlay' as const) : ('shipped' as const),
        effect,
        reason,
      })),
    };
  }

  /** What is wrong with the user's text together with the shipped rules; empty when nothing is. */
  check(domain: PolicyDomain, text: string): { message: string; line?: number; policy?: string }[] {
    try {
      loadWith(domain, this.#shipped[domain], text)[Symbol.dispose]();
      return [];
    } catch (error) {
      if (!(error instanceof PolicyError)) throw error;
      return error.problems.map(({ message, line, policy }) => ({
        message,
        ...(line !== undefined && { line }),
        ...(policy !== undefined && { policy }),
      }));
    }
  }

  /**
   * Makes `text` the user's rules of a domain. `record` runs before anything changes and must have it on disk. One apply
   * at a time. Throws Problem `invalid_field` that names every place.
   */
  apply(
    domain: PolicyDomain,
    text: string,
    record: (change: { version: number; digest: string }) => Promise<void>,
  ): Promise<{ version: number; digest: string }> {
    const result = this.#applying.then(() => this.#applyNow(domain, text, record));
    this.#applying = result.catch(() => {});
    return result;
  }

  async #applyNow(
    domain: PolicyDomain,
    text: string,
    record: (change: { version: number; digest: string }) => Promise<void>,
  ): Promise<{ version: number; digest: string }> {
    const errors = this.check(domain, text);
    if (errors.length > 0) throw refused(errors);
    const next = loadWith(domain, this.#shipped[domain], text);
    const overlay = { version: await this.#store.nextVersion(domain), text };
    try {
      await record({ version: overlay.version, digest: next.digest });
      await this.#store.save({ ...this.#overlays, [domain]: overlay }, domain);
    } catch (error) {
      next[Symbol.dispose]();
      throw error;
    }
    this.#overlays[domain] = overlay;
    this.#faults.delete(domain);
    const previous = this.#domains.get(domain);
    this.#domains.set(domain, next);
    previous?.[Symbol.dispose]();
    return { version: overlay.version, digest: next.digest };
  }

  #load(domain: PolicyDomain, overlay: Overlay | null): void {
    if (overlay === null)
      this.#faults.set(
        domain,
        `Your own rules for ${domain} were changed outside of the policy engine, so everything is refused until you apply them again.`,
      );
    try {
      this.#domains.set(domain, loadWith(domain, this.#shipped[domain], overlay?.text ?? ''));
    } catch (error) {
      // The shipped rules are part of the release: without them there is nothing to run. The user's own may have been
      // written for an older schema; then the domain is closed instead, so that they can be mended here.
      if (!(error instanceof PolicyError) || !overlay?.text) throw error;
      this.#domains.set(domain, loadWith(domain, this.#shipped[domain], ''));
      this.#faults.set(
        domain,
        `Your own rules for ${domain} do not fit this version, so everything is refused until you change them: ${error.message}`,
      );
    }
  }
}

function refused(errors: { message: string; line?: number; policy?: string }[]): Problem {
  const shown = errors.map(({ message, line, policy }) => ({
    field: line === undefined ? 'body.text' : `body.text:${line}`,
    message: policy ? `${policy}: ${message}` : message,
  }));
  const detail = `these rules are not valid and nothing was changed: ${shown.map((e) => `${e.field}: ${e.message}`).join('; ')}`;
  return new Problem('invalid_field', detail.slice(0, 2000), { errors: shown });
}
