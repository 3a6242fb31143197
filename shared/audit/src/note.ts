/** Signed notes with one Ed25519 signature (C2SP signed-note): text, a blank line, `— name base64(key id ‖ signature)`. */
import { hash } from 'node:crypto';
import { type SigningKey, verifySignature } from '@secai/signing';
import { AuditError } from './error.ts';

const ED25519 = 1;
const KEY_ID_BYTES = 4;
/** Keeps a signed head within one disk sector of 512 bytes. */
const MAX_NAME = 100;

/** Throws AuditError `bad_option` unless `name` can name a key: 1 to 100 visible ASCII characters without `+`. */
export function checkName(name: string): void {
  if (name.length > MAX_NAME || !/^[!-*,-~]+$/.test(name))
    throw new AuditError(
      'bad_option',
      `the origin ${JSON.stringify(name)} cannot name a log: use 1 to ${MAX_NAME} visible ASCII characters without spaces or "+"`,
    );
}

/** Signs `text`, which must end in a newline. */
export function signNote(text: string, name: string, key: SigningKey): string {
  const signature = Buffer.concat([keyId(name, key.publicKey), key.sign(Buffer.from(text))]);
  return `${text}\n— ${name} ${signature.toString('base64')}\n`;
}

/** The text of `note`, or AuditError `bad_proof` unless it carries exactly one signature, by this name and key. */
export function openNote(note: string, name: string, publicKey: Uint8Array): string {
  const end = note.lastIndexOf('\n\n');
  if (end === -1) throw refused('it has no signature');
  const text = note.slice(0, end + 1);
  const line = note.slice(end + 2);
  const prefix = `— ${name} `;
  if (!line.startsWith(prefix) || !line.endsWith('\n')) throw refused(`it is not signed by ${name}`);
  const encoded = line.slice(prefix.length, -1);
  const decoded = Buffer.from(encoded, 'base64');
  // Node's decoder skips what it does not know; only the canonical spelling of a signature is accepted.
  if (decoded.toString('base64') !== encoded) throw refused('its signature is not well-formed');
  if (!decoded.subarray(0, KEY_ID_BYTES).equals(keyId(name, publicKey))) throw refused('it is signed by another key');
  if (!verifySignature(publicKey, Buffer.from(text), decoded.subarray(KEY_ID_BYTES)))
    throw refused('its signature does not fit its text');
  return text;
}

function keyId(name: string, publicKey: Uint8Array): Buffer {
  const data = Buffer.concat([Buffer.from(`${name}\n`), Buffer.of(ED25519), publicKey]);
  return hash('sha256', data, 'buffer').subarray(0, KEY_ID_BYTES);
}

function refused(why: string): AuditError {
  return new AuditError('bad_proof', `the signed note is refused: ${why}`);
}
