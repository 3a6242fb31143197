import { interview } from '../behaviour/interview.ts';
import { judge } from '../behaviour/judge.ts';
import { runModel } from '../behaviour/run-model.ts';
import { ownFinding, rejects } from '../rules.ts';
import type { Stage } from './stage.ts';

/** Runs the model without network and judges what it does. */
export const behaviourStage: Stage = async ({ job, path, runDir, signal, onProgress }) => {
  if (job.facts?.format !== 'gguf')
    return {
      verdict: 'skip',
      findings: [ownFinding('BEH-012', 'file', 'cannot be run here; only GGUF models are run')],
    };
  const { architecture, has_chat_template: hasChatTemplate } = job.facts;
  const run = {
    path,
    size: job.size,
    architecture: architecture ?? '',
    hasChatTemplate: hasChatTemplate === true,
    socketDir: runDir,
    signal,
  };
  const outcome = await runModel(run, (subject) => interview(subject, onProgress));
  const findings = 'failure' in outcome ? [outcome.failure] : judge(outcome.answers);
  return { verdict: findings.some(rejects) ? 'fail' : 'pass', findings };
};
