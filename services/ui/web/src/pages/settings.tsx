import { KeyRound, LogOut, Monitor, Moon, Sun } from 'lucide-react';
import { type FormEvent, type ReactNode, useCallback, useEffect, useId, useState } from 'react';
import { type Answer, call, messageOf } from '../api.ts';
import { CopyButton } from '../components/copy-button.tsx';
import { Confirm } from '../components/dialog.tsx';
import { PassphraseField } from '../components/passphrase-field.tsx';
import { useNow, useTitle } from '../lib/hooks.ts';
import { shortestPassphrase } from '../lib/passphrase.ts';
import { chooseTheme, type Theme, theme } from '../lib/prefs.ts';
import { snippets } from '../lib/snippets.ts';
import { useStore } from '../lib/store.ts';
import { ago } from '../lib/time.ts';
import { useRetryAfter } from '../lib/use-retry-after.ts';
import { CodeBlock } from '../markdown/code-block.tsx';
import { models } from '../state/models.ts';
import { changePassphrase, logOut } from '../state/session.ts';
import { say } from '../state/toasts.ts';

type ApiKey = Answer<'keys'>['keys'][number];

export function SettingsPage(): ReactNode {
  useTitle('Settings');
  return (
    <div className="page narrow">
      <header className="page-head">
        <h1>Settings</h1>
      </header>
      <Appearance />
      <Keys />
      <Passphrase />
      <section aria-labelledby="session-title">
        <h2 id="session-title">Session</h2>
        <div className="row-card">
          <p>Logging out locks this browser. Your chats and models stay where they are.</p>
          <button
            type="button"
            className="button"
            onClick={() => void logOut().catch((error: unknown) => say(messageOf(error), 'bad'))}
          >
            <LogOut size={15} aria-hidden /> Log out
          </button>
        </div>
      </section>
    </div>
  );
}

const themes: { value: Theme; label: string; icon: ReactNode }[] = [
  { value: 'system', label: 'Auto', icon: <Monitor size={15} aria-hidden /> },
  { value: 'light', label: 'Light', icon: <Sun size={15} aria-hidden /> },
  { value: 'dark', label: 'Dark', icon: <Moon size={15} aria-hidden /> },
];

function Appearance(): ReactNode {
  const chosen = useStore(theme);
  return (
    <section aria-labelledby="appearance-title">
      <h2 id="appearance-title">Appearance</h2>
      <fieldset className="segments">
        <legend className="sr-only">Theme</legend>
        {themes.map((option) => (
          <label key={option.value} className={chosen === option.value ? 'chosen' : ''}>
            <input
              type="radio"
              name="theme"
              className="sr-only"
              checked={chosen === option.value}
              onChange={() => chooseTheme(option.value)}
            />
            {option.icon} {option.label}
          </label>
        ))}
      </fieldset>
    </section>
  );
}

function Keys(): ReactNode {
  const id = useId();
  const now = useNow();
  const [keys, setKeys] = useState<ApiKey[] | null>(null);
  const [name, setName] = useState('');
  const [made, setMade] = useState<{ name: string; secret: string } | null>(null);
  const [error, setError] = useState<string | null>(null);
  const [revoking, setRevoking] = useState<ApiKey | null>(null);

  const load = useCallback(async (): Promise<void> => {
    try {
      setKeys((await call('keys')).keys);
    } catch (thrown) {
      setError(messageOf(thrown));
    }
  }, []);
  useEffect(() => void load(), [load]);

  const create = async (event: FormEvent): Promise<void> => {
    event.preventDefault();
    setError(null);
    try {
      const key = await call('createKey', { body: { name: name.trim() } });
      setMade({ name: key.name, secret: key.secret });
      setName('');
      await load();
    } catch (thrown) {
      setError(messageOf(thrown));
    }
  };
  return (
    <section aria-labelledby="keys-title">
      <h2 id="keys-title">API keys</h2>
      <p className="section-text">
        Use your models from other programs on this machine. The address speaks the OpenAI protocol.
      </p>
      <form className="inline-form" onSubmit={(event) => void create(event)}>
        <div className="field">
          <label htmlFor={`${id}-name`}>Name of the new key</label>
          <input
            id={`${id}-name`}
            value={name}
            maxLength={60}
            placeholder="e.g. my editor"
            onChange={(event) => setName(event.target.value)}
          />
        </div>
        <button type="submit" className="button primary" disabled={name.trim() === ''}>
          Create key
        </button>
      </form>
      <div role="status">
        {made ? (
          <div className="secret">
            <p>
              <strong>This is the key “{made.name}”.</strong> Copy it now: it is shown only this once.
            </p>
            <div className="secret-row">
              <code data-testid="api-key-secret">{made.secret}</code>
              <CopyButton text={made.secret} label="Copy key" withText className="button small" />
            </div>
            <button type="button" className="link-button" onClick={() => setMade(null)}>
              I have copied it
            </button>
          </div>
        ) : null}
      </div>
      {error ? (
        <p className="form-error" role="alert">
          {error}
        </p>
      ) : null}
      {keys !== null && keys.length > 0 ? (
        <ul className="key-list" aria-label="API keys">
          {keys.map((key) => (
            <li key={key.id}>
              <KeyRound size={16} aria-hidden />
              <div>
                <strong>{key.name}</strong>
                <span>
                  <span className="mono">{key.prefix}…</span> · made {ago(key.created_at, now)} ·{' '}
                  {key.last_used_at === null ? 'never used' : `last used ${ago(key.last_used_at, now)}`}
                </span>
              </div>
              <button
                type="button"
                className="button small"
                aria-label={`Revoke ${key.name}`}
                onClick={() => setRevoking(key)}
              >
                Revoke
              </button>
            </li>
          ))}
        </ul>
      ) : keys !== null ? (
        <p className="quiet">No keys yet.</p>
      ) : null}
      <Snippets secret={made?.secret ?? null} />
      {revoking ? (
        <Confirm
          title={`Revoke “${revoking.name}”?`}
          action="Revoke key"
          onClose={() => setRevoking(null)}
          onConfirm={async () => {
            await call('deleteKey', { params: { id: revoking.id } });
            await load();
          }}
        >
          <p>Programs that use this key stop working at once. This cannot be undone.</p>
        </Confirm>
      ) : null}
    </section>
  );
}

function Snippets(props: { secret: string | null }): ReactNode {
  const [tab, setTab] = useState(0);
  const { models: all } = useStore(models);
  const model = all.find((one) => one.state === 'available')?.name ?? 'MODEL_NAME';
  const list = snippets(location.origin, props.secret ?? 'YOUR_KEY', model);
  const shown = list[tab] ?? list[0];
  if (!shown) return null;
  return (
    <details className="snippets">
      <summary>How to use a key</summary>
      <div className="tabs" role="tablist" aria-label="Examples">
        {list.map((snippet, index) => (
          <button
            key={snippet.label}
            type="button"
            role="tab"
            aria-selected={index === tab}
            className={index === tab ? 'chosen' : ''}
            onClick={() => setTab(index)}
          >
            {snippet.label}
          </button>
        ))}
      </div>
      <div role="tabpanel" aria-label={shown.label}>
        <CodeBlock code={shown.code} language={shown.language} live={false} />
      </div>
    </details>
  );
}

function Passphrase(): ReactNode {
  const [current, setCurrent] = useState('');
  const [next, setNext] = useState('');
  const [again, setAgain] = useState('');
  const [error, setError] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const retry = useRetryAfter();
  const differs = again !== '' && again !== next;
  const ready =
    current !== '' && next.length >= shortestPassphrase && again === next && !busy && retry.secondsLeft === 0;

  const submit = async (event: FormEvent): Promise<void> => {
    event.preventDefault();
    if (!ready) return;
    setBusy(true);
    setError(null);
    try {
      await changePassphrase(current, next);
      setCurrent('');
      setNext('');
      setAgain('');
      say('Passphrase changed. Other sessions were closed.');
    } catch (thrown) {
      setError(messageOf(thrown));
      retry.note(thrown);
    } finally {
      setBusy(false);
    }
  };
  return (
    <section aria-labelledby="passphrase-title">
      <h2 id="passphrase-title">Passphrase</h2>
      <form className="stack-form" onSubmit={(event) => void submit(event)}>
        <PassphraseField
          label="Current passphrase"
          value={current}
          onChange={setCurrent}
          autoComplete="current-password"
        />
        <PassphraseField label="New passphrase" value={next} onChange={setNext} autoComplete="new-password" meter />
        <PassphraseField
          label="Repeat new passphrase"
          value={again}
          onChange={setAgain}
          autoComplete="new-password"
          problem={differs && again.length >= next.length ? 'The two are not the same.' : null}
        />
        {error ? (
          <p className="form-error" role="alert">
            {error}
          </p>
        ) : null}
        <button type="submit" className="button" disabled={!ready}>
          {retry.secondsLeft > 0 ? `Try again in ${retry.secondsLeft} s` : 'Change passphrase'}
        </button>
        <p className="field-hint">
          Changing it closes every other session. There is no recovery for a lost passphrase.
        </p>
      </form>
    </section>
  );
}
