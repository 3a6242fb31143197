/**
 * Strings of the wire that name a place. The enforcing service canonicalises; what is refused here is what no canonical
 * name contains, so that a service which forgot cannot be talked past a policy.
 */

const CONTROL = /[\u0000-\u001f\u007f-\u009f]/;
// Bidirectional controls, zero-width and tag characters make a name look like another one (Trojan Source, CVE-2021-42574).
const INVISIBLE = /[\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]|\u{e0001}|[\u{e0020}-\u{e007f}]/u;
const MAX_SEGMENTS = 128;

/** What is wrong with a principal, tool or model name; undefined when nothing is. */
export function nameFault(text: string): string | undefined {
  if (text === '') return 'is empty';
  if (!text.isWellFormed()) return 'is not well-formed Unicode';
  if (CONTROL.test(text)) return 'contains a control character';
  if (INVISIBLE.test(text)) return 'contains an invisible or direction-changing character';
  return undefined;
}

/** What is wrong with an absolute POSIX path; undefined when it is canonical. */
export function pathFault(path: string): string | undefined {
  if (!path.startsWith('/')) return 'is not an absolute path';
  if (!path.isWellFormed()) return 'is not well-formed Unicode';
  if (CONTROL.test(path)) return 'contains a control character';
  if (path.includes('\\')) return 'contains a backslash';
  if (path === '/') return undefined;
  const segments = path.slice(1).split('/');
  if (segments.length > MAX_SEGMENTS) return `has more than ${MAX_SEGMENTS} segments`;
  if (segments.includes('..') || segments.includes('.')) return 'contains a "." or ".." segment';
  if (segments.includes('')) return 'contains an empty segment or ends with "/"';
  return undefined;
}

/** Every folder above a canonical path, from `/` down. */
export function ancestorsOf(path: string): string[] {
  if (path === '/') return [];
  const found = ['/'];
  for (let at = path.indexOf('/', 1); at !== -1; at = path.indexOf('/', at + 1)) found.push(path.slice(0, at));
  return found;
}

const HOST = /^(\*\.)?([a-z0-9_]([a-z0-9_-]*[a-z0-9_])?\.)*[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(:[1-9]\d{0,4})?$/;

/** What is wrong with an allowlist entry: `host`, `*.domain` (any subdomain), each with an optional `:port`. */
export function hostFault(host: string): string | undefined {
  return HOST.test(host) ? undefined : 'is not a lower-case host name, "*.domain" or either with ":port"';
}

export interface Destination {
  scheme: string;
  host: string;
  port: number;
  path: string;
  ipLiteral: boolean;
  /** A name that only a local network resolves. */
  localName: boolean;
  /** Allowlist entries that cover it. A bare entry means the scheme's own port. */
  coveredBy: string[];
}

const DEFAULT_PORTS: Record<string, number> = { http: 80, https: 443 };
const LOCAL_SUFFIXES = ['.localhost', '.local', '.internal', '.home.arpa', '.lan'];

/** Reads an http or https URL; a string says what is wrong with it. */
export function readDestination(text: string): Destination | string {
  // WHATWG URL silently drops tabs and newlines and turns "\" into "/": parsers that do not would see another host.
  if (!text.isWellFormed() || CONTROL.test(text) || /[\s\\]/.test(text))
    return 'contains a space, control or backslash';
  if (!/^https?:\/\/[^/]/.test(text)) return 'is not a lower-case http:// or https:// address';
  if (!URL.canParse(text)) return 'is not a valid address';
  const url = new URL(text);
  if (url.username || url.password) return 'contains a user name or password';
  if (url.hostname.endsWith('.')) return 'has a host name that ends with a dot';
  const scheme = url.protocol.slice(0, -1);
  const host = url.hostname;
  const ipLiteral = host.startsWith('[') || /^\d+(\.\d+){3}$/.test(host);
  const port = url.port === '' ? DEFAULT_PORTS[scheme]! : Number(url.port);
  const names = ipLiteral ? [host] : [host, ...wildcardsOf(host)];
  return {
    scheme,
    host,
    port,
    path: url.pathname,
    ipLiteral,
    localName: !host.includes('.') || LOCAL_SUFFIXES.some((suffix) => host.endsWith(suffix)),
    coveredBy: names.flatMap((name) =>
      port === DEFAULT_PORTS[scheme] ? [name, `${name}:${port}`] : [`${name}:${port}`],
    ),
  };
}

function wildcardsOf(host: string): string[] {
  const labels = host.split('.');
  return labels.slice(1).map((_, index) => `*.${labels.slice(index + 1).join('.')}`);
}
