import type { HostConfig, HostReady } from './config.ts';
import { loadModel } from './model.ts';
import { createHostServer } from './server.ts';

const config = JSON.parse(process.argv[2] ?? '') as HostConfig;

function report(line: HostReady): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

// The lifeline: the parent holds the other end as long as it lives and wants this engine.
process.stdin.resume().once('end', () => process.exit(0));

try {
  const loaded = await loadModel(config);
  const server = createHostServer(loaded, Date.now);
  server.keepAliveTimeout = 60_000;
  server.listen(config.socketPath, () => {
    report({ ready: true, version: loaded.version, contextSize: loaded.contextSize });
  });
} catch (error) {
  report({ ready: false, message: error instanceof Error ? error.message : String(error) });
  process.exitCode = 1;
  process.stdin.destroy();
}
