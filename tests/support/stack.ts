/** A whole SecAI OS for a test: its own home, its own ports, stopped and removed at the end. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Launcher, type LauncherOptions } from '@secai/launcher';
import { type ServiceName, serviceByName, services } from '@secai/topology';

export const repository = resolve(import.meta.dirname, '../..');
export const starterModelFile = join(repository, '.cache', 'models', 'SmolLM2-135M-Instruct.Q4_1.gguf');

export interface Stack {
  launcher: Launcher;
  home: string;
  portOffset: number;
  /** What the launcher printed, for messages of failing tests. */
  lines: string[];
  url(service: ServiceName): string;
  /** The operator's token of a service. */
  token(service: ServiceName): Promise<string>;
  pid(service: ServiceName): number;
  stop(): Promise<void>;
}

/** Starts a stack. `env` reaches the services as the launcher's environment does. */
export async function startStack(
  options: {
    env?: Record<string, string>;
    home?: string;
    portOffset?: number;
    launcher?: Partial<LauncherOptions>;
  } = {},
): Promise<Stack> {
  const home = options.home ?? (await mkdtemp(join(tmpdir(), 'secai-stack-')));
  const portOffset = options.portOffset ?? (await freeOffset());
  const lines: string[] = [];
  const launcher = new Launcher({
    root: repository,
    home,
    portOffset,
    env: { PATH: process.env['PATH'], ...options.env },
    print: (line) => void lines.push(line),
    ...options.launcher,
  });
  try {
    await launcher.start();
  } catch (error) {
    throw new Error(`${(error as Error).message}\n${lines.slice(-20).join('\n')}`, { cause: error });
  }
  return {
    launcher,
    home,
    portOffset,
    lines,
    url: (service) => `http://127.0.0.1:${serviceByName(service).port + portOffset}`,
    token: async (service) => (await readFile(join(home, 'tokens', `operator--${service}`), 'utf8')).trim(),
    pid(service) {
      const pid = launcher.rows().find((row) => row.service === service)?.pid;
      if (!pid) throw new Error(`${service} does not run`);
      return pid;
    },
    async stop() {
      await launcher.stop();
      if (!options.home) await rm(home, { recursive: true, force: true, maxRetries: 10 });
    },
  };
}

/** An offset at which every port of the topology is free right now. */
export async function freeOffset(): Promise<number> {
  for (let attempt = 0; attempt < 50; attempt++) {
    const offset = 1000 + Math.floor(Math.random() * 400) * 100;
    const free = await Promise.all(services.map((service) => canListen(service.port + offset)));
    if (free.every(Boolean)) return offset;
  }
  throw new Error('no free block of ports found');
}

function canListen(port: number): Promise<boolean> {
  return new Promise((done) => {
    const probe = createServer().once('error', () => done(false));
    probe.listen(port, '127.0.0.1', () => probe.close(() => done(true)));
  });
}
