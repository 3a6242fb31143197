import { AuditError } from './error.ts';
import { firstSeqOf, listSegments, openRegular, readPrefix } from './files.ts';
import { HEAD } from './head.ts';
import { lineBatches } from './lines.ts';
import { type AuditRecord, parseRecord } from './record.ts';

export interface ReadOptions {
  dir: string;
  /** First record to yield; default 0. */
  from?: number;
  /** Most records to yield; default all. */
  limit?: number;
}

/**
 * The records of a log, in order, up to the head on disk. Reads beside a writer. It shows what the files say and checks
 * no signature: verifyAuditLog does. Throws AuditError `corrupt` at a line that is no record or not the expected one.
 */
export async function* readAuditLog({
  dir,
  from = 0,
  limit = Number.POSITIVE_INFINITY,
}: ReadOptions): AsyncGenerator<AuditRecord> {
  const until = Math.min(await readAuditSize(dir), from + limit);
  const segments = await listSegments(dir);
  // The last segment that begins at or before `from` holds it.
  const first = Math.max(
    0,
    segments.findLastIndex((name) => firstSeqOf(name) <= from),
  );
  for (const segment of segments.slice(first)) {
    if (firstSeqOf(segment) >= until) return;
    yield* readSegment(dir, segment, from, until);
  }
}

async function* readSegment(dir: string, segment: string, from: number, until: number): AsyncGenerator<AuditRecord> {
  const file = await openRegular(dir, segment);
  let seq = firstSeqOf(segment);
  try {
    for await (const { buffer, starts, ends, count } of lineBatches(file)) {
      for (let i = 0; i < count && seq < until; i++, seq++) {
        if (seq < from) continue;
        const record = parseRecord(buffer.subarray(starts[i], ends[i]));
        if (record?.seq !== seq) {
          const where = { segment, line: seq - firstSeqOf(segment) + 1, seq };
          throw new AuditError('corrupt', `${segment}, line ${where.line} is not record ${seq}; verify the log`, {
            where,
          });
        }
        yield record;
      }
      if (seq >= until) return;
    }
  } finally {
    await file.close();
  }
}

/** How many records the head on disk claims; its signature is not checked. Throws AuditError `missing` or `corrupt`. */
export async function readAuditSize(dir: string): Promise<number> {
  let text: string;
  try {
    text = (await readPrefix(dir, HEAD, 4096)).data.toString();
  } catch (cause) {
    throw new AuditError('missing', `there is no audit log in ${dir}: ${(cause as Error).message}`, { cause });
  }
  const size = text.split('\n')[1];
  if (size === undefined || !/^\d{1,16}$/.test(size))
    throw new AuditError('corrupt', `the head of the audit log in ${dir} is not readable; verify the log`, {
      where: { segment: HEAD, line: 2, seq: 0 },
    });
  return Number(size);
}
