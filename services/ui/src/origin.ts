import { Problem } from '@secai/contracts';
import type { Request } from '@secai/kit';

const LOOPBACK = ['localhost', '127.0.0.1', '[::1]'];

/**
 * Refuses requests that reach this port under a foreign name: a page whose name was pointed at 127.0.0.1 (DNS
 * rebinding, e.g. CVE-2024-28224) still sends its own name as Host. Throws `forbidden`.
 */
export function checkHost(req: Request, furtherHosts: readonly string[]): void {
  const host = (req.headers.host ?? '').toLowerCase();
  const port = req.socket.localPort;
  const own = LOOPBACK.some((name) => host === `${name}:${port}` || (port === 80 && host === name));
  if (own || furtherHosts.includes(host)) return;
  throw new Problem(
    'forbidden',
    `this page does not answer to the name ${JSON.stringify(host.slice(0, 100))}; open http://127.0.0.1:${port}, or add the name to SECAI_UI_HOSTS`,
  );
}

/**
 * Refuses requests that another page made the browser send. Reads may come without an Origin; changes may not come from
 * another one. Programs that are no browser send neither header. Throws `csrf`. Call it after `checkHost`.
 */
export function checkOrigin(req: Request): void {
  const site = req.headers['sec-fetch-site'];
  if (site !== undefined && site !== 'same-origin' && site !== 'none')
    throw new Problem('csrf', 'the request came from another page; use the page of this machine');
  if (req.method === 'GET' || req.method === 'HEAD') return;
  const origin = req.headers.origin?.toLowerCase();
  const host = (req.headers.host ?? '').toLowerCase();
  if (origin !== undefined && origin !== `http://${host}` && origin !== `https://${host}`)
    throw new Problem('csrf', 'the request came from another page; use the page of this machine');
}
