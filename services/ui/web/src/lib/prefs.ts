import { createStore } from './store.ts';

export type Theme = 'system' | 'light' | 'dark';

/** Reads a small setting of this browser; null when storage is off or empty. */
function read(area: 'localStorage' | 'sessionStorage', key: string): string | null {
  try {
    return globalThis[area].getItem(key);
  } catch {
    return null;
  }
}

function write(area: 'localStorage' | 'sessionStorage', key: string, value: string | null): void {
  try {
    if (value === null) globalThis[area].removeItem(key);
    else globalThis[area].setItem(key, value);
  } catch {
    // Storage may be off or full; the setting then lasts as long as the page.
  }
}

function storedTheme(): Theme {
  const stored = read('localStorage', 'secai.theme');
  return stored === 'light' || stored === 'dark' ? stored : 'system';
}

export const theme = createStore<Theme>(storedTheme());

/** Sets the page's theme and remembers it. */
export function chooseTheme(next: Theme): void {
  theme.set(next);
  write('localStorage', 'secai.theme', next === 'system' ? null : next);
  applyTheme();
}

export function applyTheme(): void {
  const chosen = theme.get();
  if (chosen === 'system') delete document.documentElement.dataset['theme'];
  else document.documentElement.dataset['theme'] = chosen;
}

export function lastModel(): string | null {
  return read('localStorage', 'secai.model');
}

export function rememberModel(name: string): void {
  write('localStorage', 'secai.model', name);
}

/** Drafts live for this tab only: unsent text is not left on the disk of a locked machine. */
export function draftOf(chatId: string | null): string {
  return read('sessionStorage', `secai.draft.${chatId ?? 'new'}`) ?? '';
}

export function keepDraft(chatId: string | null, text: string): void {
  write('sessionStorage', `secai.draft.${chatId ?? 'new'}`, text === '' ? null : text);
}

export function forgetDrafts(): void {
  try {
    for (const key of Object.keys(sessionStorage)) if (key.startsWith('secai.')) sessionStorage.removeItem(key);
  } catch {
    // Nothing was stored.
  }
}
