import { Eye, EyeOff } from 'lucide-react';
import { type ReactNode, useId, useState } from 'react';
import { strengthOf } from '../lib/passphrase.ts';

/** A passphrase input with a show button and, for a new one, a strength meter. */
export function PassphraseField(props: {
  label: string;
  value: string;
  onChange: (value: string) => void;
  autoComplete: 'new-password' | 'current-password';
  meter?: boolean;
  autoFocus?: boolean;
  problem?: string | null;
}): ReactNode {
  const id = useId();
  const [shown, setShown] = useState(false);
  const strength = strengthOf(props.value);
  return (
    <div className="field">
      <label htmlFor={id}>{props.label}</label>
      <div className="input-wrap">
        <input
          id={id}
          type={shown ? 'text' : 'password'}
          value={props.value}
          onChange={(event) => props.onChange(event.target.value)}
          autoComplete={props.autoComplete}
          // biome-ignore lint/a11y/noAutofocus: the first field of a page that has one purpose
          autoFocus={props.autoFocus}
          spellCheck={false}
          autoCapitalize="off"
          aria-describedby={`${id}-hint`}
          aria-invalid={props.problem ? true : undefined}
        />
        <button
          type="button"
          className="icon-button"
          aria-label={shown ? `Hide ${props.label.toLowerCase()}` : `Show ${props.label.toLowerCase()}`}
          aria-pressed={shown}
          onClick={() => setShown(!shown)}
        >
          {shown ? <EyeOff size={16} aria-hidden /> : <Eye size={16} aria-hidden />}
        </button>
      </div>
      {props.meter ? (
        <div className="meter" data-level={props.value === '' ? 'none' : strength.level} aria-hidden="true">
          <span /> <span /> <span /> <span />
        </div>
      ) : null}
      <p id={`${id}-hint`} className={props.problem ? 'field-hint bad' : 'field-hint'} aria-live="polite">
        {props.problem ?? (props.meter ? `${props.value === '' ? '' : `${strength.label}. `}${strength.hint}` : '')}
      </p>
    </div>
  );
}
