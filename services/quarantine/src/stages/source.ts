import { ownFinding } from '../rules.ts';
import type { Stage } from './stage.ts';

/** Origin policy. A file brought by its owner is an origin of its own; downloads would name their address here. */
export const sourceStage: Stage = async ({ job }) => {
  if (job.origin === 'local')
    return {
      verdict: 'pass',
      findings: [ownFinding('SRC-001', 'origin', `imported from this machine, submitted through ${job.submitted_by}`)],
    };
  return {
    verdict: 'fail',
    findings: [ownFinding('SRC-002', 'origin', `${job.origin} is not an origin this version accepts`)],
  };
};
