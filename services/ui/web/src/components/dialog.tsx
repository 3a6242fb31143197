import { type ReactNode, useEffect, useId, useRef, useState } from 'react';
import { messageOf } from '../api.ts';

/** A modal dialog: focus stays inside, Escape closes. Mounted means open. */
export function Dialog(props: {
  title: string;
  className?: string;
  hideTitle?: boolean;
  onClose: () => void;
  children: ReactNode;
}): ReactNode {
  const id = useId();
  const element = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    element.current?.showModal();
  }, []);
  return (
    <dialog
      ref={element}
      aria-labelledby={id}
      className={`dialog ${props.className ?? ''}`}
      onClose={props.onClose}
      onPointerDown={(event) => {
        if (event.target === element.current) element.current?.close();
      }}
    >
      <div className="dialog-body">
        <h2 id={id} className={props.hideTitle ? 'sr-only' : 'dialog-title'}>
          {props.title}
        </h2>
        {props.children}
      </div>
    </dialog>
  );
}

/** Asks before something that cannot be undone. */
export function Confirm(props: {
  title: string;
  action: string;
  children: ReactNode;
  onConfirm: () => Promise<void>;
  onClose: () => void;
}): ReactNode {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string | null>(null);
  const confirm = async (): Promise<void> => {
    setBusy(true);
    setError(null);
    try {
      await props.onConfirm();
      props.onClose();
    } catch (thrown) {
      setError(messageOf(thrown));
      setBusy(false);
    }
  };
  return (
    <Dialog title={props.title} onClose={props.onClose}>
      <div className="dialog-text">{props.children}</div>
      {error ? (
        <p className="form-error" role="alert">
          {error}
        </p>
      ) : null}
      <div className="dialog-actions">
        <button type="button" className="button" onClick={props.onClose}>
          Cancel
        </button>
        <button type="button" className="button danger" disabled={busy} onClick={() => void confirm()}>
          {props.action}
        </button>
      </div>
    </Dialog>
  );
}
