import { ChevronDown } from 'lucide-react';
import { type ReactNode, useEffect, useState } from 'react';
import { call, messageOf } from '../api.ts';
import { bytes, sentence, shortHash } from '../lib/format.ts';
import { useNow } from '../lib/hooks.ts';
import { navigate } from '../lib/router.ts';
import { bySeverity, jobWords } from '../lib/stages.ts';
import { ago } from '../lib/time.ts';
import { dropJob, isOver, type Job, putJob } from '../state/models.ts';
import { say } from '../state/toasts.ts';
import { watchJob } from '../state/watch-job.ts';
import { CopyButton } from './copy-button.tsx';
import { Journey, Rail } from './stepper.tsx';

/** One import: its journey through quarantine, live while it runs, its result afterwards. */
export function JobCard(props: { job: Job }): ReactNode {
  const { job } = props;
  const now = useNow();
  const over = isOver(job);
  const [open, setOpen] = useState<boolean | null>(null);
  const [busy, setBusy] = useState(false);
  const shown = open ?? job.state !== 'passed';

  useEffect(() => (over ? undefined : watchJob(job.id)), [job.id, over]);

  const end = async (): Promise<void> => {
    setBusy(true);
    try {
      const after = await call('cancelImport', { params: { id: job.id } });
      if (over) dropJob(job.id);
      else putJob(after);
    } catch (error) {
      say(messageOf(error), 'bad');
    } finally {
      setBusy(false);
    }
  };
  return (
    <article className={`card job ${job.state}`} aria-label={`Import of ${job.name}`}>
      <header className="card-head">
        <div>
          <h3>{job.name}</h3>
          <p className="card-sub">
            {bytes(job.size)} · {ago(job.created_at, now)}
            {job.sha256 === null ? null : (
              <>
                {' · '}
                <span className="mono" title={job.sha256}>
                  {shortHash(job.sha256)}
                </span>
                <CopyButton text={job.sha256} label="Copy SHA-256" />
              </>
            )}
          </p>
        </div>
        <span className={`pill ${job.state}`} role="status">
          {jobWords[job.state]}
        </span>
      </header>
      {job.state === 'rejected' || job.state === 'failed' ? <Why job={job} /> : null}
      {job.state !== 'rejected' && job.state !== 'failed' && job.summary !== '' ? (
        <p className="job-summary" aria-live="polite">
          {job.summary}
        </p>
      ) : null}
      <Rail job={job} />
      {shown ? <Journey job={job} /> : null}
      <footer className="card-actions">
        {job.state === 'passed' ? (
          <button type="button" className="button small primary" onClick={() => navigate({ page: 'chat', id: null })}>
            Go to chat
          </button>
        ) : null}
        <button type="button" className="button small" disabled={busy} onClick={() => void end()}>
          {over ? 'Dismiss' : 'Cancel import'}
        </button>
        <button type="button" className="link-button toggle" aria-expanded={shown} onClick={() => setOpen(!shown)}>
          {shown ? 'Hide the checks' : 'Show the checks'}
          <ChevronDown size={15} aria-hidden />
        </button>
      </footer>
    </article>
  );
}

/** Why a model was not taken in: the reason first, then the worst findings. */
function Why(props: { job: Job }): ReactNode {
  const { job } = props;
  const bad = bySeverity(
    job.stages
      .filter((stage) => stage.verdict === 'fail' || stage.verdict === 'error')
      .flatMap((stage) => stage.findings),
  ).filter((finding) => finding.severity !== 'info');
  const reasons = bad.map((finding) => finding.message).filter((message) => !job.summary.includes(message));
  return (
    <div className={`why ${job.state}`} role="alert">
      <strong>{job.state === 'rejected' ? 'This file was not let in.' : 'The checks could not be finished.'}</strong>
      <p>{job.summary}</p>
      {reasons.length > 0 ? (
        <ul>
          {reasons.slice(0, 3).map((message) => (
            <li key={message}>{sentence(message)}</li>
          ))}
        </ul>
      ) : null}
    </div>
  );
}
