import { createStore } from '../lib/store.ts';

export interface Toast {
  id: number;
  text: string;
  tone: 'plain' | 'bad';
}

export const toasts = createStore<Toast[]>([]);
let next = 1;

/** Shows a short message for a few seconds; bad news stays longer. */
export function say(text: string, tone: Toast['tone'] = 'plain'): void {
  const id = next++;
  toasts.set((present) => [...present.slice(-2), { id, text, tone }]);
  setTimeout(() => dismiss(id), tone === 'bad' ? 9000 : 4000);
}

export function dismiss(id: number): void {
  toasts.set((present) => present.filter((toast) => toast.id !== id));
}
