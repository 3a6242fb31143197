import type { Finding, QuarantineJob, StageName, StageReport } from '@secai/contracts';

interface StageText {
  title: string;
  /** While it runs or waits. */
  does: string;
  skipped: string;
}

/** What each stage does, in words for people who never saw a model file from inside. */
export const stageTexts: Record<StageName, StageText> = {
  source: {
    title: 'Source',
    does: 'Where did the file come from, and may a file from there be taken in at all?',
    skipped: 'There was nothing to check about where this file came from.',
  },
  format: {
    title: 'Format',
    does: 'We read every byte once. The file must be exactly what its format allows: nothing out of bounds, nothing hidden behind the end.',
    skipped: 'This check does not apply to this kind of file.',
  },
  integrity: {
    title: 'Integrity',
    does: 'The file gets its SHA-256 fingerprint. From here on it is known by it, and one changed byte would show.',
    skipped: 'This check does not apply to this kind of file.',
  },
  signature: {
    title: 'Signature',
    does: 'If the publisher signed the file, the signature must be right. Most models carry none; that is noted, not hidden.',
    skipped: 'The file carries no signature, so there was none to check.',
  },
  static: {
    title: 'Static scan',
    does: 'Without running anything, we look for code, for traps in the chat template and for numbers that do not belong in a model.',
    skipped: 'This check does not apply to this kind of file.',
  },
  behaviour: {
    title: 'Behaviour',
    does: 'The model runs for the first time, alone and without a network, and answers test questions. Does it answer, does it stop, does it fall for planted traps?',
    skipped: 'This kind of file cannot be asked questions.',
  },
  diffusion: {
    title: 'Diffusion',
    does: 'Extra checks for models that make images.',
    skipped: 'Only for models that make images. It does not apply to this file.',
  },
};

export type StageState = 'waiting' | 'running' | 'pass' | 'fail' | 'skip' | 'error' | 'not-reached';

/** How a stage stands within its job. */
export function stageState(job: QuarantineJob, index: number): StageState {
  const verdict = job.stages[index]?.verdict ?? null;
  if (verdict !== null) return verdict;
  if (job.state === 'running' && job.current_stage === index) return 'running';
  return job.state === 'queued' || job.state === 'running' ? 'waiting' : 'not-reached';
}

export const stateWords: Record<StageState, string> = {
  waiting: 'Waiting',
  running: 'Checking',
  pass: 'Passed',
  fail: 'Failed',
  skip: 'Does not apply',
  error: 'Could not be checked',
  'not-reached': 'Not reached',
};

export const jobWords: Record<QuarantineJob['state'], string> = {
  queued: 'Waiting',
  running: 'In quarantine',
  passed: 'Available',
  rejected: 'Rejected',
  failed: 'Not finished',
  cancelled: 'Cancelled',
};

/** The sentence under a stage's title. */
export function stageSentence(job: QuarantineJob, stage: StageReport, state: StageState): string {
  const text = stageTexts[stage.name];
  if (state === 'skip')
    return stage.name === 'diffusion' && job.facts?.format === 'gguf'
      ? 'Only for models that make images. It does not apply to a GGUF language model.'
      : text.skipped;
  if (state === 'not-reached') return 'The journey ended before this check.';
  return text.does;
}

const severityOrder: readonly Finding['severity'][] = ['critical', 'high', 'medium', 'low', 'info'];

/** Worst first; the given order among equals. */
export function bySeverity(findings: readonly Finding[]): Finding[] {
  return [...findings].sort((a, b) => severityOrder.indexOf(a.severity) - severityOrder.indexOf(b.severity));
}
