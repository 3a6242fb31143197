import { type FormEvent, type ReactNode, useState } from 'react';
import { messageOf } from '../api.ts';
import { Logo } from '../components/logo.tsx';
import { PassphraseField } from '../components/passphrase-field.tsx';
import { shortestPassphrase } from '../lib/passphrase.ts';
import { useRetryAfter } from '../lib/use-retry-after.ts';
import { logIn, type Session, setUp } from '../state/session.ts';

/** First run: what this is, and the passphrase. */
export function SetUpPage(props: { session: Session }): ReactNode {
  const [passphrase, setPassphrase] = useState('');
  const [again, setAgain] = useState('');
  const [tried, setTried] = useState(false);
  const form = useForm(() => setUp(passphrase));
  const tooShort = passphrase.length < shortestPassphrase;
  const differs = again !== passphrase;

  return (
    <Frame session={props.session}>
      <h1>Welcome to SecAI OS</h1>
      <p className="lead">
        A private AI that runs on this machine. Every model is checked in quarantine before it may answer, and your
        conversations stay here.
      </p>
      <form
        className="welcome-form"
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          setTried(true);
          if (!tooShort && !differs) form.submit(event);
        }}
      >
        <PassphraseField
          label="Passphrase"
          value={passphrase}
          onChange={setPassphrase}
          autoComplete="new-password"
          meter
          autoFocus
          problem={tried && tooShort ? `Use at least ${shortestPassphrase} characters.` : null}
        />
        <PassphraseField
          label="Repeat passphrase"
          value={again}
          onChange={setAgain}
          autoComplete="new-password"
          problem={
            differs && (tried || again.length >= passphrase.length) && again !== '' ? 'The two are not the same.' : null
          }
        />
        <p className="note">
          <strong>There is no recovery.</strong> If you forget it, nobody can let you back in: there is no reset link,
          no support desk and no back door. Write it down and keep it somewhere safe.
        </p>
        <FormError text={form.error} />
        <button type="submit" className="button primary wide" disabled={form.blocked}>
          {form.label('Set passphrase and begin')}
        </button>
      </form>
    </Frame>
  );
}

export function LoginPage(props: { session: Session }): ReactNode {
  const [passphrase, setPassphrase] = useState('');
  const form = useForm(() => logIn(passphrase));
  return (
    <Frame session={props.session}>
      <h1>Welcome back</h1>
      <p className="lead">Enter your passphrase to unlock your chats and models.</p>
      <form className="welcome-form" noValidate onSubmit={form.submit}>
        <PassphraseField
          label="Passphrase"
          value={passphrase}
          onChange={setPassphrase}
          autoComplete="current-password"
          autoFocus
        />
        <FormError text={form.error} />
        <button type="submit" className="button primary wide" disabled={form.blocked || passphrase === ''}>
          {form.label('Unlock')}
        </button>
      </form>
    </Frame>
  );
}

function Frame(props: { session: Session; children: ReactNode }): ReactNode {
  return (
    <main className="welcome">
      <div className="welcome-card">
        <Logo size={52} />
        {props.children}
      </div>
      <p className="welcome-foot">
        SecAI OS {props.session.version}
        {props.session.mode === 'evaluation' ? ' · evaluation mode' : ''}
      </p>
    </main>
  );
}

function FormError(props: { text: string | null }): ReactNode {
  return (
    <div role="alert" className="form-error-slot">
      {props.text ? <p className="form-error">{props.text}</p> : null}
    </div>
  );
}

function useForm(action: () => Promise<void>): {
  submit: (event: FormEvent) => void;
  error: string | null;
  blocked: boolean;
  label: (text: string) => string;
} {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string | null>(null);
  const retry = useRetryAfter();
  return {
    error,
    blocked: busy || retry.secondsLeft > 0,
    label: (text) => (busy ? 'One moment…' : retry.secondsLeft > 0 ? `Try again in ${retry.secondsLeft} s` : text),
    submit: (event) => {
      event.preventDefault();
      setBusy(true);
      setError(null);
      action()
        .catch((thrown: unknown) => {
          setError(messageOf(thrown));
          retry.note(thrown);
        })
        .finally(() => setBusy(false));
    },
  };
}
