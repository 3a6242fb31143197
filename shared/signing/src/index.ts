/** Ed25519 keys (RFC 8032) kept as PEM files, and detached signatures over bytes. */
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign, verify } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { writeDurable } from '@secai/files';

export interface SigningKey {
  /** Signs bytes; returns 64 bytes. */
  sign(data: Uint8Array): Buffer;
  /** The raw 32-byte public key. */
  readonly publicKey: Buffer;
}

const SPKI_PREFIX = Buffer.from('302a300506032b6570032100', 'hex');

function fromPrivate(key: KeyObject): SigningKey {
  return { sign: (data) => sign(null, data, key), publicKey: rawPublicKey(createPublicKey(key)) };
}

function rawPublicKey(key: KeyObject): Buffer {
  return Buffer.from(key.export({ type: 'spki', format: 'der' }).subarray(SPKI_PREFIX.length));
}

/** A key that lives in memory only. */
export function generateSigningKey(): SigningKey {
  return fromPrivate(generateKeyPairSync('ed25519').privateKey);
}

/** A new private key as PKCS#8 PEM, for writing into a secret file. */
export function generatePrivateKeyPem(): string {
  return generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
}

/** Loads the private key at `path`. Throws when the file is missing or holds another kind of key. */
export async function loadSigningKey(path: string): Promise<SigningKey> {
  const key = createPrivateKey(await readFile(path));
  if (key.asymmetricKeyType !== 'ed25519')
    throw new Error(`${path} holds a ${key.asymmetricKeyType} key; Ed25519 is needed`);
  return fromPrivate(key);
}

/** Loads the private key at `path`, making it (mode 0600, durable) when there is none. */
export async function loadOrCreateSigningKey(path: string): Promise<SigningKey> {
  try {
    return await loadSigningKey(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  await writeDurable(path, generatePrivateKeyPem(), 0o600);
  return loadSigningKey(path);
}

/** True when `signature` (64 bytes) over `data` was made by the key whose raw 32-byte public half is `publicKey`. */
export function verifySignature(publicKey: Uint8Array, data: Uint8Array, signature: Uint8Array): boolean {
  if (publicKey.length !== 32 || signature.length !== 64) return false;
  const key = createPublicKey({ key: Buffer.concat([SPKI_PREFIX, publicKey]), format: 'der', type: 'spki' });
  return verify(null, data, key, signature);
}
