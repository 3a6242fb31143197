import { spawn } from 'node:child_process';
import { basename } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Sandboxed } from '@secai/sandbox';
import { EngineError } from './errors.ts';
import { getJson } from './http.ts';
import { type Launched, type LaunchSettings, launch, newSocketPath } from './launch.ts';

const POLL_MS = 50;

/**
 * Finds llama-server: `wanted` as given, or on the system's PATH when `wanted` is undefined. Null: there is none, or
 * `wanted` is null. Asked of a shell, because Node's permission model hides files that may not be read.
 */
export async function findLlamaServer(wanted: string | null | undefined): Promise<string | null> {
  if (wanted !== undefined) return wanted;
  return new Promise((resolve) => {
    const env = { PATH: '/usr/local/bin:/usr/bin:/bin' };
    const child = spawn('/bin/sh', ['-c', 'command -v llama-server'], { env, stdio: ['ignore', 'pipe', 'ignore'] });
    let path = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (path += text));
    child.on('error', () => resolve(null));
    child.on('close', () => resolve(path.startsWith('/') ? path.trim() : null));
  });
}

/** Starts llama-server on a unix socket, processor only, with the caches off that could join two conversations. */
export async function launchLlamaServer(
  program: string,
  settings: LaunchSettings & { readonly embedding: boolean },
  signal?: AbortSignal,
): Promise<Launched> {
  const socketPath = newSocketPath(settings.socketDir);
  const context = settings.contextSize === null ? [] : ['--ctx-size', String(settings.contextSize * settings.parallel)];
  const args = [
    // The alias is what answers name when the request names no model; without it that is the path.
    ...['--model', settings.modelPath, '--alias', basename(settings.modelPath), '--host', socketPath, '--jinja'],
    ...['--threads', String(settings.threads), '--parallel', String(settings.parallel), ...context],
    ...['--slot-prompt-similarity', '0', '--cache-ram', '0', '--no-context-shift'],
    ...(settings.embedding ? ['--embeddings'] : []),
  ];
  const options = {
    command: program,
    args,
    readOnly: [settings.modelPath],
    readWrite: [settings.socketDir],
    ...(signal === undefined ? {} : { signal }),
  };
  return launch(settings, options, socketPath, (sandboxed, waiting) => healthy(sandboxed, socketPath, waiting));
}

async function healthy(sandboxed: Sandboxed, socketPath: string, signal: AbortSignal): Promise<string> {
  sandboxed.child.stdout?.resume();
  for (;;) {
    signal.throwIfAborted();
    const health = await getJson(socketPath, '/health', signal).catch(() => null);
    if (health?.status === 200) break;
    await delay(POLL_MS, undefined, { signal });
  }
  const props = await getJson(socketPath, '/props', signal);
  if (props.status !== 200) throw new EngineError('start_failed', 'llama-server does not tell its properties.');
  return `llama-server ${String(props.body['build_info'] ?? 'of unknown version')}`;
}
