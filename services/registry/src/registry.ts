import { join } from 'node:path';
import { type Model, model, Problem } from '@secai/contracts';
import { type Clock, isoTime, type Logger, type ServiceContext } from '@secai/kit';
import { loadOrCreateSigningKey } from '@secai/signing';
import { readManifestHistory } from './history.ts';
import { Lock } from './lock.ts';
import {
  emptyManifest,
  type Manifest,
  type ManifestEntry,
  ManifestError,
  ManifestFile,
  manifestDigest,
} from './manifest.ts';
import { ModelFolder } from './model-folder.ts';

export type AuditAppend = Pick<ServiceContext['audit'], 'append'>;

export interface RegistryOptions {
  modelsDir: string;
  stateDir: string;
  auditDir: string;
  audit: AuditAppend;
  clock: Clock;
  logger: Logger;
}

/** What a change does to the list of models; throws Problem to refuse. */
type Change = (models: readonly ManifestEntry[]) => ManifestEntry[];

const RECOVERY =
  'No model is handed out. To recover: stop SecAI OS, put the state and audit folders of the registry back from a backup and start again; without a backup, remove manifest.json and the files in the models folder, start again and import the models again';

/**
 * The models of this machine: a signed manifest and the files it pins. The manifest is the only truth: a file that it
 * does not name is removed at start, a model whose file is missing is taken out of use.
 */
export class Registry {
  readonly folder: ModelFolder;
  readonly #file: ManifestFile | null;
  readonly #audit: AuditAppend;
  readonly #clock: Clock;
  readonly #lock = new Lock();
  #fault: ManifestError | null;

  private constructor(options: RegistryOptions, file: ManifestFile | ManifestError) {
    this.folder = new ModelFolder(options.modelsDir);
    this.#audit = options.audit;
    this.#clock = options.clock;
    this.#file = file instanceof ManifestFile ? file : null;
    this.#fault = file instanceof ManifestFile ? null : file;
  }

  /** Opens the registry. A manifest that was tampered with does not stop the start: readiness then says what to do. */
  static async open(options: RegistryOptions): Promise<Registry> {
    const registry = new Registry(options, await loadManifest(options));
    if (registry.#fault)
      await options.audit.append({
        event: 'manifest_refused',
        code: registry.#fault.code,
        reason: registry.#fault.message,
      });
    else await registry.#settle(options.logger);
    return registry;
  }

  /** Throws Problem `integrity_mismatch` when the manifest cannot be trusted. */
  async manifest(): Promise<Manifest> {
    if (!this.#fault && this.#file) {
      try {
        return await this.#file.current();
      } catch (error) {
        if (!(error instanceof ManifestError)) throw error;
        this.#fault = error;
        await this.#audit.append({ event: 'manifest_refused', code: error.code, reason: error.message });
      }
    }
    throw new Problem(
      'integrity_mismatch',
      `the registry's manifest is not trusted: ${this.#fault?.message}. ${RECOVERY}`,
    );
  }

  async list(): Promise<{ models: Model[]; manifest_digest: string }> {
    const manifest = await this.manifest();
    return { models: manifest.models.map(publicModel), manifest_digest: manifestDigest(manifest) };
  }

  /** Throws Problem `not_found`. */
  async entry(name: string): Promise<ManifestEntry> {
    return find((await this.manifest()).models, name);
  }

  async get(name: string): Promise<Model> {
    return publicModel(await this.entry(name));
  }

  /**
   * Adds a model whose complete copy lies in `temporary`. Throws Problem `conflict`; then neither file nor entry is left.
   */
  add(entry: ManifestEntry, temporary: string): Promise<void> {
    return this.#lock.run(async () => {
      try {
        refuseConflict((await this.manifest()).models, entry);
        await this.folder.place(temporary, entry);
        await this.#commit((models) => [...models, entry], {
          cause: 'promote',
          model: entry.name,
          decision_id: entry.decision_id,
        });
      } catch (error) {
        await this.folder.discard(temporary);
        await this.#removeUnpinned(entry.file);
        throw error;
      }
    });
  }

  /** Removes a model, and its file unless another name pins the same one. Throws Problem `not_found`. */
  remove(name: string, by: string): Promise<void> {
    return this.#lock.run(async () => {
      const { file } = await this.entry(name);
      // The entry goes first: a crash in between leaves a file without entry, which the next start removes.
      await this.#commit((models) => models.filter((entry) => entry.name !== name), {
        cause: 'remove',
        model: name,
        by,
      });
      await this.#removeUnpinned(file);
    });
  }

  /** Takes a model out of use; one that is out of use keeps its first reason. */
  quarantine(name: string, reason: string, by: string): Promise<Model> {
    return this.#lock.run(async () => {
      const entry = await this.entry(name);
      if (entry.state === 'quarantined') return publicModel(entry);
      return publicModel(
        await this.#replace({ ...entry, ...this.#outOfUse(reason) }, { cause: 'quarantine', reason, by }),
      );
    });
  }

  /** Brings a model back. Throws Problem `conflict` unless its bytes were verified since it was taken out of use. */
  release(name: string, by: string): Promise<Model> {
    return this.#lock.run(async () => {
      const entry = await this.entry(name);
      if (entry.state === 'available') return publicModel(entry);
      if (!entry.verified_since)
        throw new Problem(
          'conflict',
          `verify ${name} first (POST /v1/models/${name}/verify) and release it when the verification says that its bytes match`,
        );
      const { state_reason: _, ...rest } = entry;
      return publicModel(
        await this.#replace(
          { ...rest, state: 'available', state_since: isoTime(this.#clock) },
          { cause: 'release', by },
        ),
      );
    });
  }

  /** Records a verification of `entry`; `fault` says what is wrong with its bytes, null that they are the pinned ones. */
  async verified(entry: ManifestEntry, fault: string | null): Promise<void> {
    await this.#lock.run(async () => {
      const now = (await this.manifest()).models.find(
        ({ name, sha256 }) => name === entry.name && sha256 === entry.sha256,
      );
      if (!now) return; // removed meanwhile
      if (fault === null) {
        await this.#replace({ ...now, verified_at: isoTime(this.#clock), verified_since: true }, { cause: 'verified' });
      } else if (now.state === 'available') {
        await this.#replace({ ...now, ...this.#outOfUse(fault) }, { cause: 'verification_failed', reason: fault });
      } else {
        await this.#replace({ ...now, verified_since: false }, { cause: 'verification_failed', reason: fault });
      }
    });
  }

  /** Waits for the changes asked for so far. */
  async idle(): Promise<void> {
    await this.#lock.idle();
  }

  async #settle(logger: Logger): Promise<void> {
    const { models } = await this.manifest();
    const removed = await this.folder.sweep(new Set(models.map(({ file }) => file)));
    if (removed.length > 0) {
      logger.warn({ removed }, 'orphans_removed');
      await this.#audit.append({ event: 'orphans_removed', files: removed.slice(0, 1000), count: removed.length });
    }
    for (const entry of models) {
      if (entry.state !== 'available') continue;
      const fault = await this.folder.fault(entry);
      if (!fault) continue;
      logger.warn({ model: entry.name, fault }, 'model_out_of_use');
      await this.quarantine(entry.name, `found at start: ${fault}`, 'registry');
    }
  }

  #outOfUse(reason: string) {
    const state = 'quarantined' as const;
    return { state, state_reason: reason, state_since: isoTime(this.#clock), verified_since: false };
  }

  async #replace(entry: ManifestEntry, why: Record<string, unknown>): Promise<ManifestEntry> {
    const swap: Change = (models) => models.map((old) => (old.name === entry.name ? entry : old));
    await this.#commit(swap, { ...why, model: entry.name });
    return entry;
  }

  /** The record of the change is durable before the change is. */
  async #commit(change: Change, why: Record<string, unknown>): Promise<void> {
    const next = this.#file!.next(change((await this.manifest()).models));
    const record = { version: next.version, manifest_digest: manifestDigest(next), ...why };
    await this.#audit.append({ event: 'manifest_change', ...record });
    await this.#file!.write(next);
    await this.#audit.append({ event: 'manifest_written', ...record });
  }

  async #removeUnpinned(file: string): Promise<void> {
    const pinned = await this.manifest().then(
      ({ models }) => models.some((entry) => entry.file === file),
      () => true, // nobody knows what is pinned now, so nothing is removed
    );
    if (!pinned) await this.folder.remove(file);
  }
}

/** Throws Problem `conflict` with a way out when `entry` cannot stand beside `models`. */
export function refuseConflict(models: readonly ManifestEntry[], entry: Pick<ManifestEntry, 'name' | 'sha256'>): void {
  if (models.some(({ name }) => name === entry.name))
    throw new Problem(
      'conflict',
      `there is a model called ${entry.name} already; choose another name or remove that model first`,
    );
  const held = models.find(({ sha256, state }) => sha256 === entry.sha256 && state === 'quarantined');
  if (held)
    throw new Problem(
      'conflict',
      `the same file is out of use as ${held.name} (${held.state_reason}); release or remove that model first`,
    );
}

function find(models: readonly ManifestEntry[], wanted: string): ManifestEntry {
  const entry = models.find(({ name }) => name === wanted);
  if (!entry) throw new Problem('not_found', `there is no model called ${wanted}`);
  return entry;
}

/** The wire form, without what only the registry needs. */
export function publicModel(entry: ManifestEntry): Model {
  return model.parse(entry);
}

async function loadManifest(options: RegistryOptions): Promise<ManifestFile | ManifestError> {
  const { audit } = options;
  const key = await loadOrCreateSigningKey(join(options.stateDir, 'manifest-key.pem'));
  const path = join(options.stateDir, 'manifest.json');
  const history = await readManifestHistory(options.auditDir);
  try {
    const file = await ManifestFile.load(path, key);
    const manifest = await file.current();
    const digest = manifestDigest(manifest);
    if (history.version > 0 && !history.expected.has(digest))
      return new ManifestError('tampered', 'it is an older manifest put in place of the newest one');
    // Closes what a crash left open between the write and its record.
    await audit.append({ event: 'manifest_written', version: manifest.version, manifest_digest: digest });
    return file;
  } catch (error) {
    if (!(error instanceof ManifestError)) throw error;
    // No manifest and no models: the first start, or one that was killed before it wrote its manifest.
    if (error.code !== 'missing' || (await new ModelFolder(options.modelsDir).holdsModels())) return error;
  }
  const manifest = emptyManifest(history.version + 1);
  const record = { version: manifest.version, manifest_digest: manifestDigest(manifest), cause: 'create' };
  await audit.append({ event: 'manifest_change', ...record });
  const file = await ManifestFile.create(path, key, manifest);
  await audit.append({ event: 'manifest_written', ...record });
  return file;
}
