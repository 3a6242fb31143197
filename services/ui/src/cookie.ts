import { isIPv4 } from 'node:net';
import type { Request, Response } from '@secai/kit';

const NAME = 'secai_session';

/** The session token of a request; null without one, or with several, which no browser sends for one path. */
export function sessionCookie(req: Request): string | null {
  const values = (req.headers.cookie ?? '')
    .split(';')
    .map((pair) => pair.trim())
    .filter((pair) => pair.startsWith(`${NAME}=`))
    .map((pair) => pair.slice(NAME.length + 1));
  return values.length === 1 ? values[0]! : null;
}

/** Hands the token to the browser. Without Max-Age it goes when the browser closes; the server ends it earlier or later by itself. */
export function setSessionCookie(req: Request, res: Response, token: string): void {
  res.setHeader('set-cookie', `${NAME}=${token}; ${attributes(req)}`);
}

export function clearSessionCookie(req: Request, res: Response): void {
  res.setHeader('set-cookie', `${NAME}=; ${attributes(req)}; Max-Age=0`);
}

/** Plain http is fine on loopback only; under any other name the page must be behind TLS, and `Secure` makes sure of it. */
function attributes(req: Request): string {
  return `HttpOnly; SameSite=Strict; Path=/${isLoopbackName(req.headers.host ?? '') ? '' : '; Secure'}`;
}

/** `localhost`, 127.0.0.0/8 or `[::1]`, with or without a port. */
export function isLoopbackName(host: string): boolean {
  const name = host.toLowerCase().replace(/:\d+$/, '');
  return name === 'localhost' || name === '[::1]' || (isIPv4(name) && name.startsWith('127.'));
}
