import type { Finding, QuarantineJob, StageReport } from '@secai/contracts';
import { Check, Minus, TriangleAlert, X } from 'lucide-react';
import type { ReactNode } from 'react';
import { duration, sentence } from '../lib/format.ts';
import { bySeverity, type StageState, stageSentence, stageState, stageTexts, stateWords } from '../lib/stages.ts';

/** The seven stages as one line of marks. */
export function Rail(props: { job: QuarantineJob }): ReactNode {
  return (
    <ol className="rail" aria-label="Quarantine stages">
      {props.job.stages.map((stage, index) => {
        const state = stageState(props.job, index);
        return (
          <li key={stage.name} className={`rail-step ${state}`}>
            <Mark state={state} />
            <span className="rail-title">{stageTexts[stage.name].title}</span>
            <span className="sr-only">: {stateWords[state]}</span>
          </li>
        );
      })}
    </ol>
  );
}

/** The journey in full: what each stage does, how long it took and what it found. */
export function Journey(props: { job: QuarantineJob }): ReactNode {
  const { job } = props;
  return (
    <ol className="journey" aria-label="The seven checks">
      {job.stages.map((stage, index) => {
        const state = stageState(job, index);
        return <Stage key={stage.name} job={job} stage={stage} state={state} />;
      })}
    </ol>
  );
}

function Stage(props: { job: QuarantineJob; stage: StageReport; state: StageState }): ReactNode {
  const { job, stage, state } = props;
  const progress = state === 'running' ? job.progress : null;
  return (
    <li className={`journey-step ${state}`}>
      <Mark state={state} />
      <div className="journey-body">
        <div className="journey-head">
          <h4>{stageTexts[stage.name].title}</h4>
          <span className="journey-state">
            {stateWords[state]}
            {progress === null ? '' : ` ${Math.floor(progress * 100)} %`}
            {!stage.duration_ms || state === 'skip' ? '' : ` · ${duration(stage.duration_ms)}`}
          </span>
        </div>
        <p>{stageSentence(job, stage, state)}</p>
        {state === 'running' ? <Progress label={stageTexts[stage.name].title} value={progress} /> : null}
        {stage.findings.length > 0 ? <Findings findings={stage.findings} /> : null}
      </div>
    </li>
  );
}

export function Findings(props: { findings: readonly Finding[] }): ReactNode {
  return (
    <ul className="findings" aria-label="Findings">
      {bySeverity(props.findings).map((finding) => (
        <li key={`${finding.rule} ${finding.where} ${finding.message}`} className={`finding ${finding.severity}`}>
          <details>
            <summary>
              <span className="severity">{finding.severity}</span>
              <span>{sentence(finding.message)}</span>
            </summary>
            <dl>
              <dt>Rule</dt>
              <dd className="mono">{finding.rule}</dd>
              <dt>Where</dt>
              <dd className="mono">{finding.where || 'the whole file'}</dd>
            </dl>
          </details>
        </li>
      ))}
    </ul>
  );
}

/** A bar from 0 to 1; without a value it only shows that something goes on. */
export function Progress(props: { label: string; value: number | null }): ReactNode {
  const percent = props.value === null ? undefined : Math.round(props.value * 100);
  return (
    <div
      className={`progress ${percent === undefined ? 'unknown' : ''}`}
      role="progressbar"
      aria-label={props.label}
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={percent}
    >
      <div style={percent === undefined ? undefined : { width: `${percent}%` }} />
    </div>
  );
}

function Mark(props: { state: StageState }): ReactNode {
  const { state } = props;
  return (
    <span className={`mark ${state}`} aria-hidden="true">
      {state === 'pass' ? (
        <Check size={13} strokeWidth={3} />
      ) : state === 'fail' ? (
        <X size={13} strokeWidth={3} />
      ) : state === 'error' ? (
        <TriangleAlert size={12} strokeWidth={2.6} />
      ) : state === 'skip' ? (
        <Minus size={13} strokeWidth={3} />
      ) : null}
    </span>
  );
}
