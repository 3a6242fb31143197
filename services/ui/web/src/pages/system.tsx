import { type ReactNode, useEffect, useState } from 'react';
import { type Answer, call, messageOf } from '../api.ts';
import { useNow, useTitle } from '../lib/hooks.ts';
import { modeText, statusText } from '../lib/status-text.ts';
import { useStore } from '../lib/store.ts';
import { ago } from '../lib/time.ts';
import { models, refreshModels } from '../state/models.ts';

type System = Answer<'system'>;

const verdicts = { allow: 'Allowed', deny: 'Denied', ask: 'Asked' };

/** What runs on this machine, in which mode, and what was decided lately. */
export function SystemPage(): ReactNode {
  useTitle('System');
  const [system, setSystem] = useState<System | null>(null);
  const [error, setError] = useState<string | null>(null);
  const { engine } = useStore(models);
  const now = useNow();

  useEffect(() => {
    const load = (): void => {
      call('system').then(
        (answer) => {
          setSystem(answer);
          setError(null);
        },
        (thrown: unknown) => setError(messageOf(thrown)),
      );
      void refreshModels();
    };
    load();
    const timer = setInterval(load, 10_000);
    return () => clearInterval(timer);
  }, []);

  if (system === null)
    return (
      <div className="page">
        <header className="page-head">
          <h1>System</h1>
        </header>
        {error ? (
          <p className="notice bad" role="alert">
            {error}
          </p>
        ) : (
          <p className="quiet">Loading…</p>
        )}
      </div>
    );
  const mode = modeText(system.mode);
  const down = system.services.filter((service) => !service.ready).length;
  return (
    <div className="page">
      <header className="page-head">
        <h1>System</h1>
        <p>
          {down === 0
            ? `All ${system.services.length} services are ready.`
            : `${down} of ${system.services.length} services ${down === 1 ? 'is' : 'are'} not ready.`}{' '}
          Version {system.version}, started {ago(system.started_at, now)}.
        </p>
      </header>
      {error ? (
        <p className="notice bad" role="alert">
          {error}
        </p>
      ) : null}
      {system.notices.map((notice) => (
        <p key={notice} className="notice">
          {notice}
        </p>
      ))}
      <section aria-labelledby="mode-title" className="mode-card">
        <h2 id="mode-title">
          <span className="mode-badge">{mode.label}</span>
        </h2>
        <p>{mode.sentence}</p>
        {statusText(system.mode).long.map((sentence) => (
          <p key={sentence} className="muted">
            {sentence}
          </p>
        ))}
      </section>
      <section aria-labelledby="services-title">
        <h2 id="services-title">What runs here</h2>
        <ul className="service-list">
          {system.services.map((service) => (
            <li key={service.name} className={service.ready ? 'ready' : 'down'}>
              <span className={`dot ${service.ready ? 'good' : 'bad'}`} aria-hidden="true" />
              <div className="service-name">
                <strong>{service.name}</strong>
                <span>{service.summary}</span>
              </div>
              <div className="service-state">
                <span>{service.ready ? 'ready' : 'not ready'}</span>
                <span className="mono">{service.port === null ? 'socket' : `:${service.port}`}</span>
              </div>
              {service.ready || service.detail === '' ? null : <p className="service-detail">{service.detail}</p>}
            </li>
          ))}
        </ul>
      </section>
      {engine ? <Engine engine={engine} /> : null}
      <section aria-labelledby="decisions-title">
        <h2 id="decisions-title">Recent decisions</h2>
        <p className="section-text">What services asked the policy engine, and what it answered. Newest first.</p>
        {system.decisions.length === 0 ? <p className="quiet">Nothing was decided yet.</p> : null}
        <ul className="decision-list">
          {system.decisions.map((decision, index) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: a decision has no id on the wire
            <li key={`${decision.time} ${index}`}>
              <span className={`verdict ${decision.decision}`}>{verdicts[decision.decision]}</span>
              <div>
                <p className="decision-what">
                  <strong>{decision.caller}</strong> {decision.action} <span className="mono">{decision.resource}</span>
                </p>
                <p className="decision-why">{decision.reason}</p>
              </div>
              <span className="decision-time">
                {decision.domain}
                <br />
                <time dateTime={decision.time}>{ago(decision.time, now)}</time>
              </span>
            </li>
          ))}
        </ul>
      </section>
    </div>
  );
}

function Engine(props: { engine: NonNullable<Answer<'models'>['engine']> }): ReactNode {
  const { engine } = props;
  const rows: [string, string | null][] = [
    ['Engine', engine.engine === null ? null : `${engine.engine} ${engine.engine_version ?? ''}`.trim()],
    ['State', engine.state],
    ['Model', engine.model],
    ['Context', engine.context_length === null ? null : `${engine.context_length.toLocaleString('en')} tokens`],
    ['At once', `${engine.slots.busy} of ${engine.slots.total} busy, ${engine.slots.queued} waiting`],
    ['Isolation', engine.isolation],
    ['Detail', engine.detail],
  ];
  return (
    <section aria-labelledby="engine-title">
      <h2 id="engine-title">Model engine</h2>
      <dl className="facts-grid engine">
        {rows.map(([label, value]) =>
          value === null || value === '' ? null : (
            <div key={label}>
              <dt>{label}</dt>
              <dd>{value}</dd>
            </div>
          ),
        )}
      </dl>
    </section>
  );
}
