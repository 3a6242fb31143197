import { BadgeCheck, MessageSquare, ShieldAlert, ShieldCheck, Trash2 } from 'lucide-react';
import { type ReactNode, useState } from 'react';
import { call, messageOf } from '../api.ts';
import { bytes, parameters, shortHash } from '../lib/format.ts';
import { useNow } from '../lib/hooks.ts';
import { rememberModel } from '../lib/prefs.ts';
import { navigate } from '../lib/router.ts';
import { ago } from '../lib/time.ts';
import { type Job, type Model, refreshModels } from '../state/models.ts';
import { changeOptions } from '../state/options.ts';
import { CopyButton } from './copy-button.tsx';
import { Confirm } from './dialog.tsx';
import { Journey } from './stepper.tsx';

/** A model of this machine: what it is, how it is known, what to do with it. */
export function ModelCard(props: { model: Model; job: Job | null; loaded: boolean }): ReactNode {
  const { model } = props;
  const now = useNow();
  const [asking, setAsking] = useState(false);
  const [journey, setJourney] = useState(false);
  const [check, setCheck] = useState<{ state: 'idle' | 'running' | 'good' | 'bad'; text: string }>({
    state: 'idle',
    text: '',
  });
  const usable = model.state === 'available';

  const verify = async (): Promise<void> => {
    setCheck({ state: 'running', text: 'Reading the whole file again…' });
    try {
      const result = await call('verifyModel', { params: { name: model.name } });
      setCheck({ state: result.matches ? 'good' : 'bad', text: result.detail });
    } catch (error) {
      setCheck({ state: 'bad', text: messageOf(error) });
    }
    await refreshModels();
  };
  return (
    <article className={`card model ${model.state}`} aria-label={`Model ${model.name}`}>
      <header className="card-head">
        <div>
          <h3>{model.name}</h3>
          {model.facts.display_name && model.facts.display_name !== model.name ? (
            <p className="card-sub">{model.facts.display_name}</p>
          ) : null}
        </div>
        <span className={`pill ${usable ? 'passed' : 'rejected'}`}>
          {usable ? (props.loaded ? 'Available · loaded' : 'Available') : 'Taken out of use'}
        </span>
      </header>
      {usable ? null : (
        <p className="why rejected">
          {model.state_reason ?? 'The registry took this model out of use.'} It will not be loaded.
        </p>
      )}
      <dl className="facts-grid">
        <Fact label="Size" value={bytes(model.size)} />
        <Fact
          label="Parameters"
          value={model.facts.parameters === undefined ? null : parameters(model.facts.parameters)}
        />
        <Fact label="Quantisation" value={model.facts.quantization ?? null} />
        <Fact label="Architecture" value={model.facts.architecture ?? null} />
        <Fact
          label="Context"
          value={
            model.facts.context_length === undefined
              ? null
              : `${model.facts.context_length.toLocaleString('en')} tokens`
          }
        />
        <Fact label="Format" value={model.facts.format === 'gguf' ? 'GGUF' : 'safetensors'} />
        <Fact label="Licence" value={model.facts.licence ?? null} />
      </dl>
      <ul className="trust">
        <li>
          <ShieldCheck size={15} aria-hidden /> Passed quarantine {ago(model.promoted_at, now)}
          {props.job ? (
            <button
              type="button"
              className="link-button push"
              aria-expanded={journey}
              onClick={() => setJourney(!journey)}
            >
              {journey ? 'Hide its checks' : 'Show its checks'}
            </button>
          ) : null}
        </li>
        <li className={model.signature === 'valid' ? '' : 'muted'}>
          {model.signature === 'valid' ? <BadgeCheck size={15} aria-hidden /> : <ShieldAlert size={15} aria-hidden />}
          {model.signature === 'valid' ? 'Signed by its publisher' : 'Not signed by its publisher'}
        </li>
        <li className="muted">
          <span className="mono" title={model.sha256}>
            SHA-256 {shortHash(model.sha256)}
          </span>
          <CopyButton text={model.sha256} label="Copy SHA-256" />
        </li>
      </ul>
      <p className={`check ${check.state}`} role="status">
        {check.state === 'idle' ? `Last verified ${ago(model.verified_at, now)}` : check.text}
      </p>
      {journey && props.job ? <Journey job={props.job} /> : null}
      <footer className="card-actions">
        {usable ? (
          <button
            type="button"
            className="button small primary"
            onClick={() => {
              rememberModel(model.name);
              changeOptions(null, { model: model.name });
              navigate({ page: 'chat', id: null });
            }}
          >
            <MessageSquare size={15} aria-hidden /> Chat with it
          </button>
        ) : null}
        <button
          type="button"
          className="button small"
          disabled={check.state === 'running'}
          onClick={() => void verify()}
        >
          Verify again
        </button>
        <button
          type="button"
          className="icon-button push"
          aria-label={`Remove ${model.name}`}
          title="Remove"
          onClick={() => setAsking(true)}
        >
          <Trash2 size={16} aria-hidden />
        </button>
      </footer>
      {asking ? (
        <Confirm
          title={`Remove ${model.name}?`}
          action="Remove model"
          onClose={() => setAsking(false)}
          onConfirm={async () => {
            await call('removeModel', { params: { name: model.name } });
            await refreshModels();
          }}
        >
          <p>
            The model file ({bytes(model.size)}) is deleted from this machine. Chats that used it stay. To use it again
            you import it again.
          </p>
        </Confirm>
      ) : null}
    </article>
  );
}

function Fact(props: { label: string; value: string | null }): ReactNode {
  if (props.value === null) return null;
  return (
    <div>
      <dt>{props.label}</dt>
      <dd>{props.value}</dd>
    </div>
  );
}
