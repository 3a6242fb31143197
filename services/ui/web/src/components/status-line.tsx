import { type ReactNode, useId } from 'react';
import { reachable } from '../api.ts';
import { statusText } from '../lib/status-text.ts';
import { useStore } from '../lib/store.ts';
import { models } from '../state/models.ts';
import type { Session } from '../state/session.ts';

/** The quiet line at the bottom of the frame: where things run, what leaves, and the engine's state. */
export function StatusLine(props: { mode: Session['mode'] }): ReactNode {
  const id = useId();
  const connected = useStore(reachable);
  const { engine } = useStore(models);
  const text = statusText(props.mode);
  return (
    <footer className="status-line">
      {connected ? (
        <>
          <button type="button" className="status-button" popoverTarget={id}>
            <span className="dot good" aria-hidden="true" />
            {text.short}
          </button>
          <div id={id} popover="auto" className="popover status-details">
            <h2>What leaves this machine</h2>
            {text.long.map((sentence) => (
              <p key={sentence}>{sentence}</p>
            ))}
          </div>
        </>
      ) : (
        <span className="status-lost" role="status">
          <span className="dot bad" aria-hidden="true" />
          No connection to SecAI on this machine. Trying again…
        </span>
      )}
      {connected && engine ? <span className="status-engine">{engineText(engine)}</span> : null}
    </footer>
  );
}

function engineText(engine: { state: string; model: string | null; slots: { busy: number } }): string {
  if (engine.state === 'loading') return 'Loading model…';
  if (engine.state === 'failed') return 'Engine stopped';
  if (engine.state !== 'ready' || engine.model === null) return 'Engine idle';
  return engine.slots.busy > 0 ? `${engine.model} · answering` : engine.model;
}
