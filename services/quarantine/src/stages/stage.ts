import type { StageName } from '@secai/contracts';
import type { Job, JobChange, StageResult } from '../jobs.ts';
import { behaviourStage } from './behaviour.ts';
import { diffusionStage } from './diffusion.ts';
import { formatStage, integrityStage, staticStage } from './scan.ts';
import { signatureStage } from './signature.ts';
import { sourceStage } from './source.ts';

export interface StageContext {
  readonly job: Readonly<Job>;
  /** Absolute path of the file. */
  readonly path: string;
  /** A folder of the service's own for sockets. */
  readonly runDir: string;
  readonly signal: AbortSignal;
  /** How far the stage is, from 0 to 1. */
  onProgress(fraction: number): void;
}

/** What a stage found, and what it learned about the model. A stage throws only when its signal aborts or this machine fails. */
export type Stage = (context: StageContext) => Promise<StageResult & { change?: JobChange }>;

export const stages: Record<StageName, { run: Stage; doing: string }> = {
  source: { run: sourceStage, doing: 'looking at where it comes from' },
  format: { run: formatStage, doing: 'reading and hashing the whole file' },
  integrity: { run: integrityStage, doing: 'comparing hashes' },
  signature: { run: signatureStage, doing: 'looking for a signature' },
  static: { run: staticStage, doing: 'judging texts, templates and weights' },
  behaviour: { run: behaviourStage, doing: 'running the model in a sandbox' },
  diffusion: { run: diffusionStage, doing: 'checking the image pipeline' },
};
