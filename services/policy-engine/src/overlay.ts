/** The user's own rules: one signed file, and every text that was ever applied beside it. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type PolicyDomain, policyDomain } from '@secai/contracts';
import { ensureDir, writeDurable } from '@secai/files';
import { canonicalize, parseStrict } from '@secai/json';
import { type SigningKey, verifySignature } from '@secai/signing';
import * as z from 'zod';

export interface Overlay {
  /** 0 before anything was applied; one more with each apply. */
  version: number;
  text: string;
}

/** null: the rules of this domain are not known any more, so it must deny until a person applies them again. */
export type Overlays = Record<PolicyDomain, Overlay | null>;

const overlay = z.strictObject({ version: z.number().int().nonnegative(), text: z.string() });
const content = z.strictObject({ format: z.literal(1), domains: z.record(policyDomain, overlay.nullable()) });
const signedFile = z.strictObject({ content, signature: z.string().regex(/^[0-9a-f]{128}$/) });

// Keeps a signature over overlays from being taken for one over anything else that the same key signs.
const PURPOSE = 'secai policy overlay v1\n';

export class OverlayStore {
  readonly #dir: string;
  readonly #key: SigningKey;

  constructor(dir: string, key: SigningKey) {
    this.#dir = dir;
    this.#key = key;
  }

  /**
   * What was applied last. `firstStart`: a missing file is an empty overlay; later it is a deletion. `fault` says why the
   * file was not believed; every overlay is null then, for a forbid may have been among them.
   */
  async load(firstStart: boolean): Promise<{ overlays: Overlays; fault?: string }> {
    const every = (value: () => Overlay | null): Overlays =>
      Object.fromEntries(policyDomain.options.map((domain) => [domain, value()])) as Overlays;
    let bytes: Buffer;
    try {
      bytes = await readFile(this.#file);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      if (!firstStart) return { overlays: every(() => null), fault: `${this.#file} is gone` };
      const overlays = every(() => ({ version: 0, text: '' }));
      await this.#write(overlays);
      return { overlays };
    }
    const overlays = this.#read(bytes);
    return overlays ? { overlays } : { overlays: every(() => null), fault: `${this.#file} is not as it was signed` };
  }

  /** The version that an apply to `domain` gets: above every text that is kept, also when the signed file was lost. */
  async nextVersion(domain: PolicyDomain): Promise<number> {
    const names = await readdir(this.#history(domain)).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return [];
      throw error;
    });
    return Math.max(0, ...names.map((name) => Number(name.match(/^(\d+)\.cedar$/)?.[1] ?? 0))) + 1;
  }

  /** Keeps the text of the domain that changed and makes `overlays` the ones in force after the next start. */
  async save(overlays: Overlays, changed: PolicyDomain): Promise<void> {
    const { version, text } = overlays[changed]!;
    await ensureDir(this.#history(changed));
    await writeDurable(join(this.#history(changed), `${version}.cedar`), text);
    await this.#write(overlays);
  }

  get #file(): string {
    return join(this.#dir, 'overlays.json');
  }

  #history(domain: PolicyDomain): string {
    return join(this.#dir, 'overlay-history', domain);
  }

  async #write(domains: Overlays): Promise<void> {
    const body = { format: 1, domains };
    const signature = this.#key.sign(signedBytes(body)).toString('hex');
    await writeDurable(this.#file, `${JSON.stringify({ content: body, signature }, null, 2)}\n`);
  }

  #read(bytes: Buffer): Overlays | undefined {
    let value: unknown;
    try {
      value = parseStrict(bytes);
    } catch {
      return undefined;
    }
    const parsed = signedFile.safeParse(value);
    if (!parsed.success) return undefined;
    const { content: body, signature } = parsed.data;
    const genuine = verifySignature(this.#key.publicKey, signedBytes(body), Buffer.from(signature, 'hex'));
    return genuine ? body.domains : undefined;
  }
}

function signedBytes(body: unknown): Buffer {
  return Buffer.from(PURPOSE + canonicalize(body));
}
