import { type ReactNode, useEffect } from 'react';
import { ImportArea } from '../components/import-area.tsx';
import { JobCard } from '../components/job-card.tsx';
import { ModelCard } from '../components/model-card.tsx';
import { useTitle } from '../lib/hooks.ts';
import { useStore } from '../lib/store.ts';
import { isNews, models, refreshModels } from '../state/models.ts';

/** The models of this machine, the way in for new ones and their journeys through quarantine. */
export function ModelsPage(): ReactNode {
  useTitle('Models');
  const state = useStore(models);
  useEffect(() => {
    void refreshModels();
    // Imports may also be started from the command line.
    const timer = setInterval(() => void refreshModels(), 10_000);
    return () => clearInterval(timer);
  }, []);
  const modelOf = new Map(state.models.map((model) => [model.job_id, model]));
  // A journey that ended well long ago is shown with its model.
  const shownJobs = state.jobs.filter((job) => job.state !== 'passed' || isNews(job) || !modelOf.has(job.id));
  return (
    <div className="page">
      <header className="page-head">
        <h1>Models</h1>
        <p>Every model goes through seven checks before it may run, whoever made it.</p>
      </header>
      {[...state.problems, ...(state.error ? [state.error] : [])].map((problem) => (
        <p key={problem} className="notice bad" role="alert">
          {problem}
        </p>
      ))}
      <ImportArea />
      {shownJobs.length > 0 ? (
        <section aria-label="Quarantine">
          <h2>Quarantine</h2>
          <div className="cards">
            {shownJobs.map((job) => (
              <JobCard key={job.id} job={job} />
            ))}
          </div>
        </section>
      ) : null}
      <section aria-label="Models on this machine">
        <h2>On this machine</h2>
        {state.loaded && state.models.length === 0 ? (
          <p className="quiet">No model has passed quarantine yet. Import one above.</p>
        ) : null}
        <div className="cards two">
          {state.models.map((model) => (
            <ModelCard
              key={model.name}
              model={model}
              job={state.jobs.find((job) => job.id === model.job_id) ?? null}
              loaded={state.engine?.state === 'ready' && state.engine.sha256 === model.sha256}
            />
          ))}
        </div>
      </section>
    </div>
  );
}
