import { type Decision, Problem, type promotionRequest, stageNames } from '@secai/contracts';
import { type Clock, isoTime, type PolicyGate } from '@secai/kit';
import type { z } from 'zod';
import type { ManifestEntry } from './manifest.ts';
import { ModelFolder } from './model-folder.ts';
import { type AuditAppend, type Registry, refuseConflict } from './registry.ts';
import { openBelow } from './source-file.ts';

export type PromotionRequest = z.output<typeof promotionRequest>;

export interface PromoterOptions {
  registry: Registry;
  quarantineDir: string;
  policy: PolicyGate;
  audit: AuditAppend;
  clock: Clock;
  /** Aborts running copies. */
  stopping: AbortSignal;
}

/**
 * Copies scanned files into the store. A promotion belongs to its job: asking again while it runs waits for the same one,
 * asking again afterwards answers what it made, so a caller that was cut off simply repeats itself.
 */
export class Promoter {
  readonly #options: PromoterOptions;
  readonly #running = new Map<string, { fingerprint: string; done: Promise<ManifestEntry> }>();

  constructor(options: PromoterOptions) {
    this.#options = options;
  }

  /** Throws Problem: `invalid_field`, `policy_denied`, `policy_unreachable`, `conflict`, `integrity_mismatch`, `storage_full`, `not_found`. */
  async promote(request: PromotionRequest, caller: string): Promise<ManifestEntry> {
    const fingerprint = `${request.name} ${request.sha256}`;
    const running = this.#running.get(request.job_id);
    if (running && running.fingerprint !== fingerprint)
      throw new Problem('conflict', `job ${request.job_id} is promoting another file at this moment`);
    if (running) return running.done;
    const done = this.#promote(request, caller);
    this.#running.set(request.job_id, { fingerprint, done });
    try {
      return await done;
    } finally {
      this.#running.delete(request.job_id);
    }
  }

  /** Waits for running promotions to end, however they end. */
  async idle(): Promise<void> {
    await Promise.allSettled([...this.#running.values()].map(({ done }) => done));
  }

  async #promote(request: PromotionRequest, caller: string): Promise<ManifestEntry> {
    const { registry, audit } = this.#options;
    const { models } = await registry.manifest();
    const made = models.find(
      ({ job_id, name, sha256 }) => job_id === request.job_id && name === request.name && sha256 === request.sha256,
    );
    if (made) return made;
    try {
      refuseConflict(models, request);
      checkVerdicts(request);
      const decision = await this.#options.policy.require(promotionDecision(request, caller));
      checkPolicyDigest(request, decision);
      await audit.append({ event: 'promotion_allowed', decision_id: decision.decision_id, ...identity(request) });
      return await this.#copy(request, decision);
    } catch (error) {
      const { code, message, extra } =
        error instanceof Problem ? error : new Problem('internal', (error as Error).message);
      await audit.append({ event: 'promotion_refused', code, reason: message, ...extra, ...identity(request) });
      throw error;
    }
  }

  async #copy(request: PromotionRequest, decision: Decision): Promise<ManifestEntry> {
    const { registry, quarantineDir, clock, stopping } = this.#options;
    const { name, sha256, size, facts, job_id, origin, signature } = request;
    const file = ModelFolder.fileName(sha256, facts.format);
    const source = await openBelow(quarantineDir, request.file);
    let temporary: string;
    try {
      temporary = await registry.folder.copyIn(source, { file, sha256, size }, stopping);
    } finally {
      await source.close();
    }
    const now = isoTime(clock);
    const entry: ManifestEntry = {
      name,
      sha256,
      size,
      facts,
      file,
      state: 'available',
      job_id,
      decision_id: decision.decision_id,
      signature: signature === 'valid' ? 'valid' : 'missing',
      promoted_at: now,
      verified_at: now,
      origin,
      policy_digest: decision.evidence.policy_digest,
      state_since: now,
      verified_since: true,
    };
    await registry.add(entry, temporary);
    return entry;
  }
}

/** The registry's own look at the verdicts, so that a policy that was loosened too far still promotes nothing broken. */
function checkVerdicts(request: PromotionRequest): void {
  const { stages, facts, signature } = request;
  if (stages.some(({ name }, index) => name !== stageNames[index]))
    throw new Problem('invalid_field', `body.stages: send the seven stages in order: ${stageNames.join(', ')}`);
  const skippable = new Set(facts.format === 'gguf' ? ['diffusion'] : ['diffusion', 'behaviour']);
  const bad = stages.find(({ name, verdict }) => verdict !== 'pass' && !(verdict === 'skip' && skippable.has(name)));
  if (bad)
    throw new Problem('policy_denied', `the stage "${bad.name}" says ${bad.verdict}, and a model needs a pass there`);
  if (signature === 'invalid') throw new Problem('policy_denied', 'the signature of the model is wrong');
}

function promotionDecision({ name, stages, facts, origin, signature }: PromotionRequest, principal: string) {
  return {
    domain: 'model_promotion' as const,
    principal,
    action: 'promote',
    resource: name,
    context: {
      stages: Object.fromEntries(stages.map((stage) => [stage.name, stage.verdict])),
      format: facts.format,
      // The integrity stage compares with the hash that was asked for, the copy with the one that was scanned.
      pin_matches: stages.some((stage) => stage.name === 'integrity' && stage.verdict === 'pass'),
      origin: originClass(origin),
      signature,
    },
  };
}

/** Only local imports exist so far; any other origin is unknown to this version and denied by the shipped policy. */
function originClass(origin: string): 'local' | 'unknown' {
  return origin === 'local' ? 'local' : 'unknown';
}

function checkPolicyDigest(request: PromotionRequest, decision: Decision): void {
  if (decision.evidence.policy_digest !== request.policy_digest)
    throw new Problem('conflict', 'the policy changed since the scan; scan again', {
      decision_id: decision.decision_id,
    });
}

function identity({ name, job_id, sha256, size, origin }: PromotionRequest) {
  return { model: name, job_id, sha256, size, origin };
}
