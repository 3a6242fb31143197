import { Problem, type sessionState, type ui } from '@secai/contracts';
import type { Handlers, Request, Response } from '@secai/kit';
import type { z } from 'zod';
import { clearSessionCookie, sessionCookie, setSessionCookie } from './cookie.ts';
import { LoginLimited } from './login-guard.ts';
import type { Parts } from './parts.ts';
import { csrfTokenOf, isCsrfTokenOf } from './sessions.ts';

type State = z.input<typeof sessionState>;
type Routes = (typeof ui)['routes'];
type SessionHandlers = Pick<Handlers<Routes>, 'session' | 'setup' | 'login' | 'logout' | 'changePassphrase'>;

/** A flood of refused attempts is one audit record a minute. */
const LIMITED_RECORD_MS = 60_000;

/**
 * The owner's browser, or null when nobody is logged in. A change also needs the session's CSRF token in
 * `x-secai-csrf`, which no other page can read or send. Throws `csrf`.
 */
export async function sessionToken(parts: Pick<Parts, 'sessions'>, req: Request): Promise<string | null> {
  const token = sessionCookie(req);
  if (token === null || !(await parts.sessions.isOpen(token))) return null;
  if (req.method !== 'GET' && req.method !== 'HEAD' && !isCsrfTokenOf(token, req.headers['x-secai-csrf']))
    throw new Problem('csrf', 'the request lacks the page’s token (x-secai-csrf); reload the page and try again');
  return token;
}

/** Set-up, login and what the page should show. The session token travels in the cookie only, never in a body. */
export function sessionHandlers(parts: Parts): SessionHandlers {
  const { owner, sessions, audit, config, version } = parts;
  const state = (name: State['state'], token: string | null): State => ({
    state: name,
    csrf_token: token === null ? null : csrfTokenOf(token),
    mode: config.SECAI_MODE,
    version,
  });
  const open = async (req: Request, res: Response, why: 'set_up' | 'login'): Promise<State> => {
    const old = sessionCookie(req);
    if (old !== null) await sessions.close(old);
    await audit.append({ event: why, result: 'ok' });
    const token = await sessions.open();
    setSessionCookie(req, res, token);
    return state('open', token);
  };
  const check = passphraseCheck(parts);
  return {
    async session({ req, res }) {
      const token = sessionCookie(req);
      if (token !== null && (await sessions.isOpen(token))) return state('open', token);
      if (token !== null) clearSessionCookie(req, res);
      return state((await owner.exists()) ? 'locked' : 'setup', null);
    },
    async setup({ body, req, res }) {
      await owner.setUp(body.passphrase);
      return open(req, res, 'set_up');
    },
    async login({ body, req, res }) {
      await check(body.passphrase, res, 'login');
      return open(req, res, 'login');
    },
    async logout({ req, res }) {
      await audit.append({ event: 'logout' });
      await sessions.close(sessionCookie(req)!);
      clearSessionCookie(req, res);
      return state('locked', null);
    },
    async changePassphrase({ body, req, res }) {
      await check(body.current, res, 'passphrase_change');
      const change = await owner.prepareChange(body.passphrase);
      await audit.append({ event: 'passphrase_change', result: 'ok' });
      // Every session ends with the old passphrase; this browser gets a new one.
      const token = await parts.store.transaction(async (tx) => {
        await change.store(tx);
        await tx.query('DELETE FROM ui.sessions');
        return sessions.open(tx);
      });
      setSessionCookie(req, res, token);
      return state('open', token);
    },
  };
}

/** Checks a passphrase behind the guard. Throws `rate_limited` (with Retry-After), `wrong_passphrase` or `conflict`. */
function passphraseCheck({ owner, guard, audit, clock }: Parts) {
  let limitedRecordedAt = Number.NEGATIVE_INFINITY;
  return async (passphrase: string, res: Response, event: 'login' | 'passphrase_change'): Promise<void> => {
    if (!(await owner.exists())) throw new Problem('conflict', 'no passphrase was set yet; choose one first');
    try {
      await guard.take();
    } catch (error) {
      if (error instanceof LoginLimited) {
        res.setHeader('retry-after', error.retryAfterSeconds);
        const now = clock.now();
        if (Math.abs(now - limitedRecordedAt) > LIMITED_RECORD_MS) {
          limitedRecordedAt = now;
          await audit.append({ event, result: 'limited' });
        }
      }
      throw error;
    }
    if (!(await owner.isPassphrase(passphrase))) {
      await guard.failed();
      await audit.append({ event, result: 'failed' });
      throw new Problem('wrong_passphrase', 'this is not the passphrase; check the keyboard layout and try again');
    }
    await guard.succeeded();
  };
}
