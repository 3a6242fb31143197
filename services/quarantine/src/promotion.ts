import { type Model, Problem, stageNames } from '@secai/contracts';
import type { Peers } from '@secai/kit';
import type { Job } from './jobs.ts';

/** The copy in the registry runs at the disk's speed; an answer that takes longer is asked for again. */
const BASE_MS = 30_000;
const SLOWEST_BYTES_PER_MS = 20_000;

/** The two services that quarantine asks. */
export class Neighbours {
  readonly #peers: Peers;

  constructor(peers: Peers) {
    this.#peers = peers;
  }

  /** Digest of the model_promotion policy in force. Throws Problem `dependency_unavailable`. */
  async policyDigest(signal: AbortSignal): Promise<string> {
    const { domains } = await this.#peers['policy-engine'].listPolicies({ signal });
    return domains.find(({ domain }) => domain === 'model_promotion')!.digest;
  }

  /** The promoted model of this name, or null. Throws Problem `dependency_unavailable`. */
  async model(name: string): Promise<Model | null> {
    try {
      return await this.#peers.registry.get({ params: { name } });
    } catch (error) {
      if (error instanceof Problem && error.code === 'not_found') return null;
      throw error;
    }
  }

  /** Asks the registry to take the job's file. Safe to repeat: the registry knows the job. Throws the registry's Problem. */
  promote(job: Job, file: string, signal: AbortSignal): Promise<Model> {
    return this.#peers.registry.promote({
      signal,
      body: {
        name: job.name,
        job_id: job.id,
        file,
        sha256: job.sha256!,
        size: job.size,
        facts: job.facts!,
        signature: 'missing',
        origin: job.origin,
        stages: stageNames.map((name, index) => ({ name, verdict: job.stages[index]!.verdict! })),
        policy_digest: job.policy_digest!,
      },
      deadlineMs: Math.ceil(BASE_MS + job.size / SLOWEST_BYTES_PER_MS),
    });
  }
}
