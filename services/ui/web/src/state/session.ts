import { type Answer, ApiError, call, messageOf, reachable, rememberCsrf, sessionEnded } from '../api.ts';
import { forgetDrafts } from '../lib/prefs.ts';
import { createStore } from '../lib/store.ts';
import { forgetChats, stopAllStreams } from './chats.ts';
import { forgetModels } from './models.ts';

export type Session = Answer<'session'>;

/** What the page knows about the session; `error` while the first answer is missing. */
export const session = createStore<{ session: Session | null; error: string | null }>({ session: null, error: null });

function enter(next: Session): void {
  session.set({ session: rememberCsrf(next), error: null });
}

export async function loadSession(): Promise<void> {
  try {
    enter(await call('session'));
  } catch (error) {
    session.set((present) => ({ ...present, error: messageOf(error) }));
  }
}

export async function setUp(passphrase: string): Promise<void> {
  enter(await call('setup', { body: { passphrase } }));
}

export async function logIn(passphrase: string): Promise<void> {
  enter(await call('login', { body: { passphrase } }));
}

/** Ends the session here and on the server, and empties the page's memory of chats and drafts. */
export async function logOut(): Promise<void> {
  await stopAllStreams();
  const next = await call('logout').catch((error: unknown) => {
    if (error instanceof ApiError && error.status === 401) return null;
    throw error;
  });
  forgetDrafts();
  lock(next);
}

export async function changePassphrase(current: string, passphrase: string): Promise<void> {
  enter(await call('changePassphrase', { body: { current, passphrase } }));
}

function lock(next: Session | null): void {
  forgetChats();
  forgetModels();
  if (next) enter(next);
  else void loadSession();
}

/** Starts watching for the end of the session and for the server coming back; call once. */
export function watchSession(): void {
  sessionEnded.subscribe(() => {
    const present = session.get().session;
    if (present?.state === 'open') lock({ ...present, state: 'locked', csrf_token: null });
  });
  const retry = (): void => {
    if (reachable.get()) return;
    setTimeout(() => void loadSession().finally(retry), 2500);
  };
  reachable.subscribe(() => {
    if (!reachable.get()) retry();
  });
}
