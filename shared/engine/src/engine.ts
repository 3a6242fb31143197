import { Agent, type IncomingMessage } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import type { SandboxExit, Sandboxed } from '@secai/sandbox';
import { EngineError } from './errors.ts';
import { getJson, readJson, send } from './http.ts';
import { defaultMemoryBytes, defaultThreads, type Launched, type LaunchSettings } from './launch.ts';
import { findLlamaServer, launchLlamaServer } from './llama-server.ts';
import { launchNodeLlama } from './node-llama.ts';
import { RequestError } from './protocol/errors.ts';
import { type Lease, QueueFullError, SlotPool } from './slots.ts';
import { checkedBody, type EnginePath } from './wire.ts';

export type EngineKind = 'llama-server' | 'node-llama-cpp';

export interface EngineOptions {
  /** Absolute path of a GGUF file. */
  readonly modelPath: string;
  /** Absolute path of an existing folder for the socket, shared with the engine; 80 bytes at most. */
  readonly socketDir: string;
  /** Tokens per conversation; by default what the model was trained for, at most 4096. */
  readonly contextSize?: number;
  /** Threads that compute; by default all cores but one. */
  readonly threads?: number;
  /** Requests that are answered at the same time; 2 by default. */
  readonly parallel?: number;
  /** Requests that may wait beyond those; 64 by default. */
  readonly maxQueue?: number;
  /** Caps of the sandbox. Memory: by default 1.25 times the model and 4 GiB. */
  readonly sandbox?: { readonly memoryBytes?: number; readonly cpuSeconds?: number; readonly wallMs?: number };
  /** True: for embeddings only (llama-server offers either; node-llama-cpp offers both in any case). */
  readonly embedding?: boolean;
  /** Path of llama-server; null: do not use one; undefined: use the one on the system's PATH, if any. */
  readonly llamaServer?: string | null;
  /** How long loading may take; 5 minutes by default. */
  readonly startMs?: number;
  /** Aborting ends the start, and the engine afterwards. */
  readonly signal?: AbortSignal;
}

export interface EngineProps {
  readonly contextSize: number;
  readonly trainedContextSize: number | null;
  readonly hasChatTemplate: boolean;
  readonly slots: { readonly total: number; readonly busy: number; readonly waiting: number };
}

export interface EngineRequestOptions {
  /**
   * Whose conversation this is, 1 to 200 visible characters. What the engine remembers of a prompt is reused for the
   * same key only; without a key never.
   */
  readonly session?: string;
  /** Aborting ends the generation and frees its slot. */
  readonly signal?: AbortSignal;
}

export interface Engine {
  readonly kind: EngineKind;
  readonly socketPath: string;
  /** Process group of the engine and its sandbox, as the host sees it. */
  readonly pid: number;
  readonly version: string;
  readonly isolation: Sandboxed['isolation'];
  /** Settles when the process is gone, with why; never rejects. */
  readonly exited: Promise<SandboxExit>;
  /**
   * Checks and sends one OpenAI request; resolves with the engine's response as soon as its head is there, to be piped
   * on as it is. Throws RequestError for a wrong body, EngineError `gone` when the engine is not running.
   */
  request(path: EnginePath, body: unknown, options?: EngineRequestOptions): Promise<IncomingMessage>;
  props(): Promise<EngineProps>;
  /** Forgets what is remembered of one conversation, or of all. */
  recycle(session?: string): Promise<void>;
  /** Ends the process: asked first, killed after a second. */
  stop(): Promise<SandboxExit>;
}

const STOP_MS = 1000;
const SESSION = /^[\x21-\x7e]{1,200}$/;

/**
 * Starts an engine for one model in a sandbox without network: llama-server where there is one, else node-llama-cpp.
 * Resolves when it answers. Rejects with EngineError; its message is for a person.
 */
export async function spawnEngine(options: EngineOptions): Promise<Engine> {
  const settings = settingsOf(options);
  const program = await findLlamaServer(options.llamaServer);
  options.signal?.throwIfAborted();
  if (program === null) {
    return createEngine('node-llama-cpp', await launchNodeLlama(settings, options.signal), null);
  }
  const launched = await launchLlamaServer(
    program,
    { ...settings, embedding: options.embedding === true },
    options.signal,
  );
  return createEngine('llama-server', launched, new SlotPool(settings.parallel, settings.maxQueue));
}

/** `pool`: who has which slot, for an engine that does not keep conversations apart by itself. */
function createEngine(kind: EngineKind, launched: Launched, pool: SlotPool | null): Engine {
  const { sandboxed, socketPath, version } = launched;
  // llama-server closes a connection after a stream without saying so before.
  const agent = new Agent({ keepAlive: kind === 'node-llama-cpp' });
  let gone = false;
  void sandboxed.exited.then(() => {
    gone = true;
    agent.destroy();
  });

  async function deliver(path: string, body: unknown, options: EngineRequestOptions): Promise<IncomingMessage> {
    if (gone) throw new EngineError('gone', 'The engine is not running.');
    const { signal, session } = options;
    const headers: Record<string, string> = session === undefined ? {} : { 'x-secai-session': session };
    const extra = signal === undefined ? {} : { signal };
    try {
      return await send(socketPath, { method: 'POST', path, headers, body: JSON.stringify(body), agent, ...extra });
    } catch (error) {
      signal?.throwIfAborted();
      const why = error instanceof Error ? error.message : String(error);
      throw new EngineError('gone', `The engine ended before it answered: ${why}.`, { cause: error });
    }
  }

  async function onSlot(
    path: EnginePath,
    body: Record<string, unknown>,
    options: EngineRequestOptions,
    slots: SlotPool,
  ) {
    const lease = await lend(slots, options);
    try {
      const own = { id_slot: lease.index, cache_prompt: !lease.fresh };
      const response = await deliver(path, { ...body, ...own }, options);
      response.once('close', () => lease.release(options.session !== undefined));
      return response;
    } catch (error) {
      lease.release(false);
      throw error;
    }
  }

  return {
    kind,
    socketPath,
    pid: sandboxed.child.pid!,
    version,
    isolation: sandboxed.isolation,
    exited: sandboxed.exited,
    async request(path, body, options = {}) {
      const checked = checkedBody(path, body);
      if (options.session !== undefined && !SESSION.test(options.session)) {
        throw new RequestError(400, 'invalid_value', 'A session key must be 1 to 200 visible characters.');
      }
      if (pool === null || path === '/v1/embeddings') return deliver(path, checked, options);
      return onSlot(path, checked, options, pool);
    },
    async props() {
      const { body } = await getJson(socketPath, '/props');
      const settings = body['default_generation_settings'] as { n_ctx?: number } | undefined;
      const counted = pool ?? { size: body['total_slots'], busy: body['busy_slots'], waiting: body['waiting'] };
      return {
        contextSize: settings?.n_ctx ?? 0,
        trainedContextSize: (body['n_ctx_train'] as number | undefined) ?? null,
        hasChatTemplate: typeof body['chat_template'] === 'string' && body['chat_template'] !== '',
        slots: { total: counted.size as number, busy: counted.busy as number, waiting: counted.waiting as number },
      };
    },
    async recycle(session) {
      if (pool !== null) pool.forget(session);
      else await readJson(await deliver('/sessions/forget', session === undefined ? {} : { session }, {}));
    },
    async stop() {
      sandboxed.endInput();
      const timer = new AbortController();
      const late = delay(kind === 'llama-server' ? 0 : STOP_MS, undefined, { signal: timer.signal });
      late.then(sandboxed.kill, () => {});
      const exit = await sandboxed.exited;
      timer.abort();
      return exit;
    },
  };
}

async function lend(slots: SlotPool, options: EngineRequestOptions): Promise<Lease> {
  try {
    return await slots.acquire(options.session ?? null, options.signal);
  } catch (error) {
    if (!(error instanceof QueueFullError)) throw error;
    throw new RequestError(503, 'engine_busy', `The engine is busy: ${error.message} Try again in a moment.`);
  }
}

function settingsOf(options: EngineOptions): LaunchSettings {
  const whole = (name: string, value: number, min: number, max: number) => {
    if (Number.isSafeInteger(value) && value >= min && value <= max) return value;
    throw new EngineError('bad_option', `${name} must be a whole number from ${min} to ${max}, not ${value}.`);
  };
  const { contextSize, sandbox } = options;
  return {
    modelPath: options.modelPath,
    socketDir: options.socketDir,
    contextSize: contextSize === undefined ? null : whole('contextSize', contextSize, 64, 1 << 22),
    threads: whole('threads', options.threads ?? defaultThreads(), 1, 512),
    parallel: whole('parallel', options.parallel ?? 2, 1, 64),
    maxQueue: whole('maxQueue', options.maxQueue ?? 64, 0, 10_000),
    startMs: whole('startMs', options.startMs ?? 300_000, 1, 86_400_000),
    caps: { ...sandbox, memoryBytes: sandbox?.memoryBytes ?? defaultMemoryBytes(options.modelPath) },
  };
}
