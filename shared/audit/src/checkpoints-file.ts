/** The file of signed checkpoints: which trees were vouched for on the way to the head. */
import { join } from 'node:path';
import { type TreeHead, verifyCheckpoint } from './checkpoint.ts';
import { AuditError } from './error.ts';
import { CHECKPOINTS, isMissing, readPrefix } from './files.ts';
import { digestOf, type Head, type Verifier } from './head.ts';

export interface CheckpointsFile {
  /** The bytes that the head covers. */
  data: Buffer;
  heads: TreeHead[];
  /** The newest note, if any. */
  newest: string | undefined;
  /** Bytes on disk, which may be more than the head covers. */
  length: number;
}

/** Reads the checkpoints that `head` covers. Throws AuditError `corrupt` naming the first bad note. */
export async function readCheckpoints(dir: string, head: Head, verifier: Verifier): Promise<CheckpointsFile> {
  const { data, length } = await readCovered(dir, head.checkpointBytes);
  const notes = data.toString().split(/(?<=\n\n[^\n]*\n)/);
  if (notes.at(-1) === '') notes.pop();
  const heads: TreeHead[] = [];
  let line = 1;
  let byte = 0;
  const refuse = (why: string): never => {
    throw new AuditError('corrupt', `${join(dir, CHECKPOINTS)}, line ${line}: ${why}`, {
      where: { segment: CHECKPOINTS, line, seq: heads.at(-1)?.size ?? 0, byte },
    });
  };
  for (const note of notes) {
    let checkpoint: TreeHead | undefined;
    try {
      checkpoint = verifyCheckpoint(note, verifier);
    } catch (error) {
      refuse((error as Error).message);
    }
    const { size, root } = checkpoint!;
    if (size > head.size || size <= (heads.at(-1)?.size ?? -1))
      refuse(`a checkpoint of ${size} records does not belong here`);
    heads.push({ size, root });
    line += note.split('\n').length - 1;
    byte += Buffer.byteLength(note);
  }
  if (data.length < head.checkpointBytes)
    refuse(`the file was cut: ${head.checkpointBytes} bytes were signed, ${data.length} are left`);
  if (digestOf(data) !== head.checkpointDigest) {
    [line, byte, heads.length] = [1, 0, 0];
    refuse('checkpoints are missing: each is signed, but together they are not what the head signed');
  }
  return { data, heads, newest: notes.at(-1), length };
}

async function readCovered(dir: string, bytes: number): Promise<{ data: Buffer; length: number }> {
  try {
    return await readPrefix(dir, CHECKPOINTS, bytes);
  } catch (error) {
    if (!isMissing(error)) throw error;
    throw new AuditError('corrupt', `${join(dir, CHECKPOINTS)} is missing`, {
      where: { segment: CHECKPOINTS, line: 0, seq: 0 },
    });
  }
}
