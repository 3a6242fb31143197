import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type InferenceStatus, type Model, Problem } from '@secai/contracts';
import { type Engine, EngineError } from '@secai/engine';
import { ensureDir } from '@secai/files';
import type { Logger } from '@secai/kit';
import type { FileIdentity, Models } from './models.ts';
import { Turns } from './turns.ts';

export interface LoaderOptions {
  readonly models: Models;
  readonly logger: Logger;
  /** Writes to the audit log; resolves when the record is durable. */
  readonly record: (event: Record<string, string>) => Promise<unknown>;
  /** Starts an engine; `trained`: the context length that the registry knows of the model. */
  readonly spawn: (modelPath: string, trained: number | undefined) => Promise<Engine>;
}

/** A request's hold on the loaded model; the model stays until every hold is given back. */
export interface Hold {
  readonly engine: Engine;
  leave(): void;
}

interface Loaded {
  readonly model: Model;
  readonly identity: FileIdentity;
  readonly engine: Engine;
  users: number;
  /** Called when the last user leaves. */
  onIdle: (() => void) | null;
}

/**
 * Keeps at most one model loaded. Requests enter in the order of asking: one that needs another model waits for the
 * running ones and then swaps, and later ones wait behind it, so that nobody is starved.
 */
export class Loader {
  readonly #options: LoaderOptions;
  readonly #turns = new Turns();
  readonly #stopping = new AbortController();
  #loaded: Loaded | null = null;
  #state: 'idle' | 'loading' | 'ready' | 'failed' = 'idle';
  #detail: string | null = null;
  #loading: Model | null = null;

  constructor(options: LoaderOptions) {
    this.#options = options;
  }

  /** Makes the folder for the engine's socket and clears what a killed worker left in it. */
  async prepare(socketDir: string): Promise<void> {
    await ensureDir(socketDir);
    for (const name of await readdir(socketDir)) await rm(join(socketDir, name), { force: true });
  }

  /**
   * Waits until the model is loaded and holds it. The registry is asked every time: a model that was removed or taken
   * out of use meanwhile is refused. Throws Problem with the reason.
   */
  async enter(name: string, signal: AbortSignal): Promise<Hold> {
    const model = await this.#options.models.permitted(name, signal);
    return this.#turns.take(async () => {
      signal.throwIfAborted();
      this.#stopping.signal.throwIfAborted();
      const loaded = (await this.#current(model)) ?? (await this.#load(model));
      loaded.users += 1;
      let left = false;
      return {
        engine: loaded.engine,
        leave: () => {
          if (left) return;
          left = true;
          loaded.users -= 1;
          if (loaded.users === 0) loaded.onIdle?.();
        },
      };
    });
  }

  /** Stops the engine when the running requests are done. */
  unload(): Promise<void> {
    return this.#turns.take(async () => {
      await this.#dispose('unloaded');
      this.#state = 'idle';
      this.#detail = null;
    });
  }

  async stop(): Promise<void> {
    this.#stopping.abort(new Problem('dependency_unavailable', 'the service is stopping'));
    await this.#loaded?.engine.stop();
  }

  async status(): Promise<InferenceStatus> {
    const loaded = this.#loaded;
    const props = await loaded?.engine.props().catch(() => null);
    const model = loaded?.model ?? this.#loading;
    return {
      engine: loaded?.engine.kind ?? null,
      engine_version: loaded?.engine.version ?? null,
      isolation: loaded === null ? null : isolationInWords(loaded.engine),
      state: this.#state,
      model: model?.name ?? null,
      sha256: model?.sha256 ?? null,
      context_length: props?.contextSize ?? null,
      slots: {
        total: props?.slots.total ?? 0,
        busy: props?.slots.busy ?? 0,
        queued: props?.slots.waiting ?? 0,
      },
      detail: this.#detail,
    };
  }

  /** The loaded model if it is the one asked for and its file is still the one that was hashed. */
  async #current(model: Model): Promise<Loaded | null> {
    const loaded = this.#loaded;
    if (loaded === null || loaded.model.sha256 !== model.sha256 || loaded.model.file !== model.file) return null;
    return (await this.#options.models.identity(model)) === loaded.identity ? loaded : null;
  }

  async #load(model: Model): Promise<Loaded> {
    const { models, record, spawn, logger } = this.#options;
    await this.#dispose('replaced');
    this.#state = 'loading';
    this.#loading = model;
    this.#detail = null;
    try {
      const identity = await models.verify(model, this.#stopping.signal);
      await record({ event: 'model_load', model: model.name, sha256: model.sha256 });
      const engine = await spawn(models.pathOf(model), model.facts.context_length);
      const loaded: Loaded = { model, identity, engine, users: 0, onIdle: null };
      // The engine opened the path by itself: what it read is what was hashed only if nothing happened in between.
      if ((await models.identity(model)) !== identity) {
        await engine.stop();
        throw new Problem('integrity_mismatch', `the file of ${model.name} changed while it was loaded`);
      }
      this.#loaded = loaded;
      this.#state = 'ready';
      void engine.exited.then((exit) => this.#lost(loaded, exit.message));
      logger.info({ model: model.name, engine: engine.kind, isolation: isolationInWords(engine) }, 'model_loaded');
      return loaded;
    } catch (error) {
      this.#stopping.signal.throwIfAborted();
      const problem = asProblem(model, error);
      this.#state = 'failed';
      this.#detail = problem.message;
      logger.warn({ model: model.name, reason: problem.message }, 'model_refused');
      await record({ event: 'model_refused', model: model.name, sha256: model.sha256, reason: problem.message });
      throw problem;
    } finally {
      this.#loading = null;
    }
  }

  async #dispose(why: string): Promise<void> {
    const loaded = this.#loaded;
    if (loaded === null) return;
    if (loaded.users > 0) {
      const idle = Promise.withResolvers<void>();
      loaded.onIdle = idle.resolve;
      await Promise.race([idle.promise, loaded.engine.exited]);
    }
    this.#loaded = null;
    await loaded.engine.stop();
    this.#options.logger.info({ model: loaded.model.name }, why);
  }

  #lost(loaded: Loaded, message: string): void {
    if (this.#loaded !== loaded) return;
    this.#loaded = null;
    this.#state = 'failed';
    this.#detail = `The engine of ${loaded.model.name} stopped: ${message} It is started again with the next request.`;
    this.#options.logger.error({ model: loaded.model.name, reason: message }, 'engine_lost');
  }
}

function asProblem(model: Model, error: unknown): Problem {
  if (error instanceof Problem) return error;
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof EngineError) return new Problem('engine_failed', message, {}, error);
  return new Problem('engine_failed', `the model ${model.name} could not be loaded: ${message}`, {}, error);
}

function isolationInWords({ isolation }: Engine): string {
  const files = isolation.filesystem === 'readonly' ? 'sees the model and its own code only' : "sees the host's files";
  return `no network, ${files} (${isolation.method})`;
}
