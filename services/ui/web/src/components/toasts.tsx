import { X } from 'lucide-react';
import type { ReactNode } from 'react';
import { useStore } from '../lib/store.ts';
import { dismiss, toasts } from '../state/toasts.ts';

export function Toasts(): ReactNode {
  const shown = useStore(toasts);
  return (
    <div className="toasts" role="status" aria-live="polite">
      {shown.map((toast) => (
        <div key={toast.id} className={`toast ${toast.tone}`}>
          <span>{toast.text}</span>
          <button type="button" className="icon-button" aria-label="Dismiss message" onClick={() => dismiss(toast.id)}>
            <X size={14} aria-hidden />
          </button>
        </div>
      ))}
    </div>
  );
}
