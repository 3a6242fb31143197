import { hash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { model, sha256, timestamp } from '@secai/contracts';
import { writeDurable } from '@secai/files';
import { canonicalize, parseStrict } from '@secai/json';
import { type SigningKey, verifySignature } from '@secai/signing';
import * as z from 'zod';

/** One pinned model, as the manifest keeps it: the wire form and what only the registry needs. */
export const manifestEntry = z.strictObject({
  ...model.shape,
  origin: z.string(),
  /** Of the promotion's decision. */
  policy_digest: sha256,
  /** When `state` last changed, and whether the stored bytes were hashed and found right since. */
  state_since: timestamp,
  verified_since: z.boolean(),
});
export type ManifestEntry = z.infer<typeof manifestEntry>;

const manifestBody = z.strictObject({
  format: z.literal('secai-registry-manifest-1'),
  /** Rises by one with every change. */
  version: z.number().int().positive(),
  models: z.array(manifestEntry).max(10_000),
});
export type Manifest = z.infer<typeof manifestBody>;

const manifestDocument = z.strictObject({ manifest: manifestBody, signature: z.string() });

/** Ends with a NUL, so that no other signed text of the project can be taken for a manifest. */
const SIGNING_DOMAIN = 'secai registry manifest v1\0';
const MAX_BYTES = 64 * 1024 * 1024;

export type ManifestErrorCode = 'missing' | 'tampered';

export class ManifestError extends Error {
  override name = 'ManifestError';
  readonly code: ManifestErrorCode;
  constructor(code: ManifestErrorCode, message: string, cause?: unknown) {
    super(message, { cause });
    this.code = code;
  }
}

export function emptyManifest(version: number): Manifest {
  return { format: 'secai-registry-manifest-1', version, models: [] };
}

/** The bytes of a signed manifest: one JSON document in canonical form (RFC 8785), signature in base64. */
export function encodeManifest(manifest: Manifest, key: SigningKey): Buffer {
  const signature = key.sign(signedBytes(manifest)).toString('base64');
  return Buffer.from(canonicalize({ manifest, signature }));
}

/** Reads what `encodeManifest` wrote. Throws ManifestError `tampered` for anything else, down to a single byte. */
export function decodeManifest(bytes: Uint8Array, publicKey: Uint8Array): Manifest {
  const refuse = (why: string, cause?: unknown): never => {
    throw new ManifestError('tampered', why, cause);
  };
  let parsed: z.infer<typeof manifestDocument>;
  try {
    parsed = manifestDocument.parse(parseStrict(bytes));
  } catch (error) {
    return refuse('it is not a manifest', error);
  }
  const { manifest, signature } = parsed;
  const decoded = Buffer.from(signature, 'base64');
  if (!verifySignature(publicKey, signedBytes(manifest), decoded)) refuse("its signature is not this registry's");
  // Only one spelling of a manifest exists: white space or another base64 form is somebody else's edit.
  if (decoded.toString('base64') !== signature || !Buffer.from(canonicalize(parsed)).equals(bytes))
    refuse('it is not in canonical form');
  return manifest;
}

export function manifestDigest(manifest: Manifest): string {
  return `sha256:${hash('sha256', canonicalize(manifest), 'hex')}`;
}

function signedBytes(manifest: Manifest): Buffer {
  return Buffer.from(SIGNING_DOMAIN + canonicalize(manifest));
}

/** The manifest on disk. Every read checks that the file is still the one this process wrote or loaded. */
export class ManifestFile {
  readonly #path: string;
  readonly #key: SigningKey;
  #manifest: Manifest;
  #bytes: Buffer;
  #identity: string;

  private constructor(path: string, key: SigningKey, manifest: Manifest, bytes: Buffer, identity: string) {
    this.#path = path;
    this.#key = key;
    this.#manifest = manifest;
    this.#bytes = bytes;
    this.#identity = identity;
  }

  /** Throws ManifestError `missing` or `tampered`. */
  static async load(path: string, key: SigningKey): Promise<ManifestFile> {
    const identity = await identityOf(path);
    const bytes = await readFile(path);
    return new ManifestFile(path, key, decodeManifest(bytes, key.publicKey), bytes, identity);
  }

  /** Writes the first manifest. */
  static async create(path: string, key: SigningKey, manifest: Manifest): Promise<ManifestFile> {
    await writeDurable(path, encodeManifest(manifest, key));
    return ManifestFile.load(path, key);
  }

  /** The manifest, after a look at the file. Throws ManifestError when somebody else touched it. */
  async current(): Promise<Manifest> {
    const identity = await identityOf(this.#path);
    if (identity !== this.#identity) {
      if (!(await readFile(this.#path)).equals(this.#bytes))
        throw new ManifestError('tampered', 'it was changed while the registry ran');
      this.#identity = identity;
    }
    return this.#manifest;
  }

  /** The manifest that `models` would make. */
  next(models: ManifestEntry[]): Manifest {
    const sorted = models.toSorted((a, b) => (a.name < b.name ? -1 : 1));
    return { ...this.#manifest, version: this.#manifest.version + 1, models: sorted };
  }

  /** Puts `manifest` in place durably. Throws what writing throws (then the old one stays) or ManifestError. */
  async write(manifest: Manifest): Promise<void> {
    await this.current();
    const bytes = encodeManifest(manifest, this.#key);
    await writeDurable(this.#path, bytes);
    this.#manifest = manifest;
    this.#bytes = bytes;
    this.#identity = await identityOf(this.#path);
  }
}

/** Changes when the file is written, replaced or touched. */
async function identityOf(path: string): Promise<string> {
  try {
    const stats = await stat(path, { bigint: true });
    if (stats.size > MAX_BYTES) throw new ManifestError('tampered', 'it is larger than any manifest');
    return `${stats.ino} ${stats.size} ${stats.mtimeNs} ${stats.ctimeNs}`;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') throw new ManifestError('missing', 'it is gone', error);
    throw error;
  }
}
