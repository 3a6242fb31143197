import { Check, Copy } from 'lucide-react';
import { type ReactNode, useEffect, useState } from 'react';

/** Copies `text`; says so in place for two seconds. */
export function CopyButton(props: { text: string; label: string; className?: string; withText?: boolean }): ReactNode {
  const [state, setState] = useState<'idle' | 'copied' | 'failed'>('idle');

  useEffect(() => {
    if (state === 'idle') return;
    const timer = setTimeout(() => setState('idle'), 2000);
    return () => clearTimeout(timer);
  }, [state]);

  const word = state === 'copied' ? 'Copied' : state === 'failed' ? 'Could not copy' : props.label;
  return (
    <button
      type="button"
      className={props.className ?? 'icon-button'}
      aria-label={props.withText ? undefined : word}
      title={props.withText ? undefined : word}
      onClick={() => {
        copy(props.text).then(
          () => setState('copied'),
          () => setState('failed'),
        );
      }}
    >
      {state === 'copied' ? <Check size={15} aria-hidden /> : <Copy size={15} aria-hidden />}
      {props.withText ? word : null}
      <span className="sr-only" aria-live="polite">
        {state === 'idle' || props.withText ? '' : word}
      </span>
    </button>
  );
}

async function copy(text: string): Promise<void> {
  await navigator.clipboard.writeText(text);
}
