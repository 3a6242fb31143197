import { realpathSync } from 'node:fs';
import type { Sandboxed } from '@secai/sandbox';
import { EngineError } from './errors.ts';
import type { HostConfig, HostReady } from './host/config.ts';
import { type Launched, type LaunchSettings, launch, newSocketPath } from './launch.ts';
import { codeFolders, HOST_MAIN } from './paths.ts';

const MAX_REPORT = 64 << 10;

/** Starts this package's own engine process, node-llama-cpp behind HTTP on a unix socket. */
export async function launchNodeLlama(settings: LaunchSettings, signal?: AbortSignal): Promise<Launched> {
  const socketPath = newSocketPath(settings.socketDir);
  const config: HostConfig = {
    modelPath: settings.modelPath,
    socketPath,
    contextSize: settings.contextSize,
    threads: settings.threads,
    parallel: settings.parallel,
    maxQueue: settings.maxQueue,
  };
  const options = {
    command: realpathSync(process.execPath),
    args: ['--no-warnings', HOST_MAIN, JSON.stringify(config)],
    readOnly: [settings.modelPath, ...installedCode()],
    readWrite: [settings.socketDir],
    ...(signal === undefined ? {} : { signal }),
  };
  return launch(settings, options, socketPath, readReport);
}

function installedCode(): string[] {
  try {
    return codeFolders();
  } catch (error) {
    throw new EngineError('start_failed', 'Neither llama-server nor node-llama-cpp is installed.', { cause: error });
  }
}

function readReport(sandboxed: Sandboxed, signal: AbortSignal): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
    sandboxed.child.stdout!.setEncoding('utf8').on('data', (chunk: string) => {
      text = (text + chunk).slice(0, MAX_REPORT);
      const end = text.indexOf('\n');
      if (end === -1) return;
      try {
        const report = JSON.parse(text.slice(0, end)) as HostReady;
        if (report.ready) resolve(report.version);
        else reject(new EngineError('model_rejected', `The engine does not accept this model: ${report.message}`));
      } catch (error) {
        reject(error);
      }
    });
  });
}
