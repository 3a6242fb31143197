import type { Finding } from '@secai/contracts';
import { factsOf } from '../facts.ts';
import type { StageResult } from '../jobs.ts';
import { ownFinding, rejects } from '../rules.ts';
import { scanInSandbox } from '../scan.ts';
import type { ScanReport } from '../scan-report.ts';
import type { Stage } from './stage.ts';

/** Makes the one pass over the file that also answers the integrity and the static stage. */
export const formatStage: Stage = async ({ job, path, signal, onProgress }) => {
  const outcome = await scanInSandbox({ path, fileName: job.file_name, size: job.size, signal, onProgress });
  if ('failure' in outcome)
    return {
      verdict: 'error',
      findings: [ownFinding('SCN-001', 'file', `${outcome.failure}; a file that does this is refused`)],
    };
  const { report } = outcome;
  return { ...partOf(report, 'format'), change: { scan: report, sha256: report.sha256, facts: factsOf(report) } };
};

export const integrityStage: Stage = async ({ job }) => {
  const { verdict, findings } = partOf(job.scan!, 'integrity');
  const { sha256 } = job;
  if (sha256 === null || (job.expected_sha256 !== null && job.expected_sha256 !== sha256)) {
    const message =
      sha256 === null
        ? 'the file could not be hashed to its end'
        : `the file has ${sha256}, asked for was ${job.expected_sha256}`;
    return { verdict: 'fail', findings: [...findings, ownFinding('PIN-001', 'file', message)] };
  }
  return { verdict, findings };
};

export const staticStage: Stage = async ({ job }) => {
  const part = partOf(job.scan!, 'static');
  if (part.verdict !== 'skip') return part;
  return {
    verdict: 'error',
    findings: [...part.findings, ownFinding('SCN-002', 'file', 'the static checks did not run over the whole file')],
  };
};

/** A stage's part of the report. A rejecting finding fails the stage whatever the scanner's verdict says. */
function partOf(report: ScanReport, stage: 'format' | 'integrity' | 'static'): StageResult {
  const findings: Finding[] = report.findings
    .filter((finding) => finding.stage === stage)
    .map(({ stage: _, ...finding }) => finding);
  return { verdict: findings.some(rejects) ? 'fail' : report.stages[stage], findings };
}
