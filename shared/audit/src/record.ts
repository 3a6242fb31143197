/** One record: a line of canonical JSON {…event, seq, time}. */
import { canonicalize, parseStrict } from '@secai/json';
import { AuditError } from './error.ts';

/** Longest record line in bytes, newline included. */
export const MAX_LINE_BYTES = 1024 * 1024;
/** How deep an event may nest; below the depth that strict readers refuse. */
const MAX_DEPTH = 32;
const RESERVED = ['seq', 'time'] as const;
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

export interface AuditRecord {
  /** Position in the log, from 0. */
  seq: number;
  /** When it was appended: RFC 3339, UTC, milliseconds, by the writer's clock, which may go backwards. */
  time: string;
  [member: string]: unknown;
}

/** The record's line without newline. Throws AuditError `bad_event`. */
export function recordLine(event: Record<string, unknown>, seq: number, timeMs: number): string {
  checkPlain(event, 1);
  const reserved = RESERVED.find((name) => Object.hasOwn(event, name));
  if (reserved !== undefined)
    throw new AuditError('bad_event', `"${reserved}" is set by the audit log; give the event's own value another name`);
  let line: string;
  try {
    line = canonicalize({ ...event, seq, time: new Date(timeMs).toISOString() });
  } catch (cause) {
    throw new AuditError('bad_event', `the event cannot be recorded as JSON: ${(cause as Error).message}`, { cause });
  }
  if (Buffer.byteLength(line) >= MAX_LINE_BYTES)
    throw new AuditError(
      'bad_event',
      `the event is longer than ${MAX_LINE_BYTES} bytes; record a digest of the large part`,
    );
  return line;
}

/** Refuses what JSON would silently turn into something else (a Date, a Map, a class instance), cycles and depth. */
function checkPlain(value: unknown, depth: number): void {
  if (typeof value !== 'object' || value === null) {
    if (depth > 1) return;
    throw new AuditError('bad_event', 'an audit event must be an object');
  }
  if (depth > MAX_DEPTH) throw new AuditError('bad_event', `the event nests deeper than ${MAX_DEPTH} levels`);
  const array = Array.isArray(value);
  const prototype: unknown = Object.getPrototypeOf(value);
  if ((array && depth === 1) || (!array && prototype !== null && prototype !== Object.prototype))
    throw new AuditError(
      'bad_event',
      'an audit event may hold plain objects, arrays, strings, numbers, booleans and null',
    );
  for (const member of Object.values(value)) checkPlain(member, depth + 1);
}

/** Reads a record line; null when it is not one that recordLine writes. */
export function parseRecord(line: Uint8Array): AuditRecord | null {
  try {
    const value = parseStrict(line);
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return null;
    const { seq, time } = value as Partial<AuditRecord>;
    if (typeof seq !== 'number' || !Number.isSafeInteger(seq) || seq < 0) return null;
    if (typeof time !== 'string' || !TIME.test(time)) return null;
    return canonicalize(value) === Buffer.from(line).toString() ? (value as AuditRecord) : null;
  } catch {
    return null;
  }
}
