import { randomBytes } from 'node:crypto';
import { statSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { SandboxError, type Sandboxed, type SandboxOptions, spawnSandboxed } from '@secai/sandbox';
import { EngineError } from './errors.ts';

export interface LaunchSettings {
  readonly modelPath: string;
  readonly socketDir: string;
  readonly contextSize: number | null;
  readonly threads: number;
  readonly parallel: number;
  readonly maxQueue: number;
  readonly startMs: number;
  readonly caps: { readonly memoryBytes: number; readonly cpuSeconds?: number; readonly wallMs?: number };
}

/** A started and answering engine process. */
export interface Launched {
  readonly sandboxed: Sandboxed;
  readonly socketPath: string;
  readonly version: string;
}

const STDERR_TAIL = 2000;
/** sun_path of a unix socket holds 107 bytes and an end mark (unix(7)). */
const MAX_SOCKET_PATH = 107;
const CACHE_AND_SCRATCH_BYTES = 4 * 2 ** 30;

/**
 * One core is left to the rest of the machine: an engine thread that loses its core is waited for by all others at
 * every barrier, which costs far more than the core brings.
 */
export function defaultThreads(): number {
  return Math.max(1, Math.min(64, availableParallelism() - 1));
}

/** Room for the weights (engines repack some formats into memory of their own), the caches and the code. */
export function defaultMemoryBytes(modelPath: string): number {
  return Math.ceil(statSync(modelPath).size * 1.25) + CACHE_AND_SCRATCH_BYTES;
}

export function newSocketPath(socketDir: string): string {
  const path = join(socketDir, `engine-${randomBytes(6).toString('hex')}.sock`);
  if (Buffer.byteLength(path) <= MAX_SOCKET_PATH) return path;
  throw new EngineError('bad_option', `The socket folder's path is too long for a unix socket: ${socketDir}.`);
}

/**
 * Starts an engine in a sandbox and waits for `ready`, whose result is the version. Rejects with EngineError, and
 * leaves no process and no socket, when it ends, refuses the model or takes longer than `startMs`.
 */
export async function launch(
  settings: LaunchSettings,
  options: Omit<SandboxOptions, 'network' | 'memoryBytes' | 'lifeline' | 'stdio'>,
  socketPath: string,
  ready: (sandboxed: Sandboxed, signal: AbortSignal) => Promise<string>,
): Promise<Launched> {
  const sandboxed = await spawn(settings, options);
  let tail = '';
  sandboxed.child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    tail = (tail + text).slice(-STDERR_TAIL);
  });
  const waiting = new AbortController();
  const timer = setTimeout(
    () => waiting.abort(new Error(`not ready within ${settings.startMs / 1000} s`)),
    settings.startMs,
  );
  const ended = sandboxed.exited.then((exit) => {
    const lines = tail.trim().split('\n');
    const last = lines.findLast((line) => /error/i.test(line)) ?? lines.at(-1);
    throw new EngineError(
      'start_failed',
      `The engine ended while starting. ${exit.message}${last ? ` (${last})` : ''}`,
    );
  });
  void sandboxed.exited.then(() => rm(socketPath, { force: true }).catch(() => {}));
  try {
    const version = await Promise.race([ended, ready(sandboxed, waiting.signal)]);
    return { sandboxed, socketPath, version };
  } catch (error) {
    sandboxed.kill();
    await sandboxed.exited;
    options.signal?.throwIfAborted();
    if (error instanceof EngineError) throw error;
    const why = error instanceof Error ? error.message : String(error);
    throw new EngineError('start_failed', `The engine did not start: ${why}.`, { cause: error });
  } finally {
    clearTimeout(timer);
    waiting.abort();
    ended.catch(() => {});
  }
}

async function spawn(
  settings: LaunchSettings,
  options: Omit<SandboxOptions, 'network' | 'memoryBytes' | 'lifeline' | 'stdio'>,
): Promise<Sandboxed> {
  try {
    return await spawnSandboxed({
      ...options,
      ...settings.caps,
      network: false,
      lifeline: true,
      stdio: { stdout: 'pipe', stderr: 'pipe' },
    });
  } catch (error) {
    if (!(error instanceof SandboxError)) throw error;
    const code = error.code === 'unavailable' ? 'sandbox_unavailable' : 'bad_option';
    throw new EngineError(code, `The engine cannot be shut in. ${error.message}`, { cause: error });
  }
}
