import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { lstat, open } from 'node:fs/promises';
import { join } from 'node:path';
import { type Client, type contracts, type Model, Problem } from '@secai/contracts';

export type RegistryClient = Client<(typeof contracts)['registry']['routes']>;

/** What a file is known by once its bytes were hashed: any write, replacement or truncation changes it. */
export type FileIdentity = string;

const CHUNK_BYTES = 1 << 20;
const FILE_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,199}$/;

/** The registry's models and their files. */
export class Models {
  readonly #registry: RegistryClient;
  readonly #folder: string;

  constructor(registry: RegistryClient, folder: string) {
    this.#registry = registry;
    this.#folder = folder;
  }

  /** The models that can be asked, in OpenAI's shape. */
  async list(signal: AbortSignal) {
    const { models } = await this.#registry.list({ signal });
    return models
      .filter((model) => model.state === 'available' && model.facts.format === 'gguf')
      .map((model) => ({
        id: model.name,
        object: 'model' as const,
        created: Math.floor(Date.parse(model.promoted_at) / 1000),
        owned_by: 'local',
      }));
  }

  /** The registry's entry of a model that may run now. Throws Problem when it may not, or nobody can say. */
  async permitted(name: string, signal?: AbortSignal): Promise<Model> {
    const model = await this.#registry.get({ params: { name }, ...(signal === undefined ? {} : { signal }) });
    if (model.state !== 'available') {
      const why = model.state_reason === undefined ? '' : `: ${model.state_reason}`;
      throw new Problem('conflict', `the model ${name} is taken out of use${why}. Release it on the models page first`);
    }
    if (model.facts.format !== 'gguf') {
      throw new Problem(
        'conflict',
        `the model ${name} is a ${model.facts.format} file; the engine runs GGUF files only`,
      );
    }
    if (!FILE_NAME.test(model.file)) throw new Problem('integrity_mismatch', `the registry names no file for ${name}`);
    return model;
  }

  pathOf(model: Model): string {
    return join(this.#folder, model.file);
  }

  /** The identity of the model's file as it lies there now. Throws Problem when there is no plain file. */
  async identity(model: Model): Promise<FileIdentity> {
    const stats = await lstat(this.pathOf(model), { bigint: true }).catch((error: unknown) => {
      throw new Problem(
        'integrity_mismatch',
        `the file of ${model.name} cannot be read in the models folder`,
        {},
        error,
      );
    });
    if (!stats.isFile()) throw new Problem('integrity_mismatch', `the file of ${model.name} is not a plain file`);
    return `${stats.dev}:${stats.ino}:${stats.size}:${stats.ctimeNs}:${stats.mtimeNs}`;
  }

  /**
   * Reads the whole file and compares its SHA-256 with the registry's pin. Returns the identity of the file that was
   * read. Throws Problem `integrity_mismatch` saying what differs.
   */
  async verify(model: Model, signal: AbortSignal): Promise<FileIdentity> {
    const before = await this.identity(model);
    const file = await open(this.pathOf(model), constants.O_RDONLY | constants.O_NOFOLLOW);
    const hash = createHash('sha256');
    let size = 0;
    try {
      const buffer = Buffer.allocUnsafe(CHUNK_BYTES);
      for (;;) {
        signal.throwIfAborted();
        const { bytesRead } = await file.read(buffer, 0, CHUNK_BYTES, null);
        if (bytesRead === 0) break;
        hash.update(buffer.subarray(0, bytesRead));
        size += bytesRead;
      }
    } finally {
      await file.close();
    }
    const digest = `sha256:${hash.digest('hex')}`;
    if (digest !== model.sha256 || size !== model.size) {
      const found = size === model.size ? digest : `${size} bytes instead of ${model.size}`;
      const message = `the file of ${model.name} is not the one that was promoted (${found}). Import the model again`;
      throw new Problem('integrity_mismatch', message);
    }
    if ((await this.identity(model)) !== before) {
      throw new Problem('integrity_mismatch', `the file of ${model.name} changed while it was read`);
    }
    return before;
  }
}
