import { ownFinding } from '../rules.ts';
import type { Stage } from './stage.ts';

/** No signature can be submitted yet, so every file is unsigned, and that is what is said; the policy decides. */
export const signatureStage: Stage = async () => ({
  verdict: 'pass',
  findings: [ownFinding('SIG-001', 'file', 'no publisher signature: nobody vouches for where this file comes from')],
});
