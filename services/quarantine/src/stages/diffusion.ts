import { ownFinding } from '../rules.ts';
import type { Stage } from './stage.ts';

/** Image pipelines are folders of components; this version takes single model files only. */
export const diffusionStage: Stage = async ({ job }) => ({
  verdict: 'skip',
  findings: [
    ownFinding(
      'DIF-001',
      'file',
      `does not apply: a ${job.facts?.format === 'gguf' ? 'GGUF' : 'safetensors'} file is no image pipeline`,
    ),
  ],
});
