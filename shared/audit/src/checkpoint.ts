/** Checkpoints (C2SP tlog-checkpoint): a signed note of origin, tree size and root, with optional further lines. */
import type { SigningKey } from '@secai/signing';
import { AuditError } from './error.ts';
import { openNote, signNote } from './note.ts';

/** A tree: how many records, and the root over them. */
export interface TreeHead {
  size: number;
  /** 64 lower-case hex digits. */
  root: string;
}

export interface Checkpoint extends TreeHead {
  /** Lines after the root, without newlines. */
  extensions: string[];
}

/** A signed checkpoint of `head` for the log named `origin`. */
export function signCheckpoint(head: TreeHead, origin: string, key: SigningKey, extensions: string[] = []): string {
  const lines = [origin, String(head.size), Buffer.from(head.root, 'hex').toString('base64'), ...extensions];
  return signNote(`${lines.join('\n')}\n`, origin, key);
}

/** Opens a signed checkpoint; AuditError `bad_proof` when the signature, the origin or the form is not right. */
export function verifyCheckpoint(note: string, options: { origin: string; publicKey: Uint8Array }): Checkpoint {
  return parseCheckpoint(openNote(note, options.origin, options.publicKey), options.origin);
}

function parseCheckpoint(text: string, origin: string): Checkpoint {
  const [name, size, root, ...rest] = text.split('\n');
  if (name !== origin) throw refused(`it is of the log ${JSON.stringify(name)}, not ${origin}`);
  if (!size || !/^(0|[1-9]\d{0,15})$/.test(size) || !Number.isSafeInteger(Number(size)))
    throw refused('its size is not a number');
  const bytes = Buffer.from(root ?? '', 'base64');
  if (bytes.length !== 32 || bytes.toString('base64') !== root) throw refused('its root is not a SHA-256');
  return { size: Number(size), root: bytes.toString('hex'), extensions: rest.slice(0, -1) };
}

function refused(why: string): AuditError {
  return new AuditError('bad_proof', `the checkpoint is refused: ${why}`);
}
