/** Why the audit log refused. */
export type AuditErrorCode =
  /** The event cannot be recorded: not a plain JSON object, reserved name, too deep or too large. The log goes on. */
  | 'bad_event'
  /** An option is unusable, such as an origin with a space. */
  | 'bad_option'
  /** A write or sync failed earlier; nothing is appended until the log is opened again. */
  | 'failed'
  /** The log was closed. */
  | 'closed'
  /** Another process has this log open. */
  | 'locked'
  /** The files are not what was signed; `where` names the first bad place. */
  | 'corrupt'
  /** There is no log in the folder, and making one was not allowed. */
  | 'missing'
  /** A signed note or a proof does not hold. */
  | 'bad_proof';

/** The first place that is not what was signed. */
export interface BadPlace {
  /** File name inside the log's folder: a segment, `head`, `head.copy`, `checkpoints` or `leaves`. */
  segment: string;
  /** Line in that file, from 1 (0 where lines mean nothing). */
  line: number;
  /** The first record that can no longer be vouched for. */
  seq: number;
  /** Offset in that file of the first byte of the bad line or entry, where known. */
  byte?: number;
}

export class AuditError extends Error {
  override name = 'AuditError';
  readonly code: AuditErrorCode;
  readonly where: BadPlace | undefined;
  constructor(code: AuditErrorCode, message: string, options: { where?: BadPlace; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.where = options.where;
  }
}

/** A bad place in words, for a person: `segment 000000000016.jsonl, line 3 (record 18)`. */
export function describePlace(where: BadPlace): string {
  const line = where.line > 0 ? `, line ${where.line}` : '';
  const byte = where.byte === undefined ? '' : `, byte ${where.byte}`;
  return `${where.segment}${line}${byte} (record ${where.seq})`;
}
