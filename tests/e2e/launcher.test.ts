import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { serviceByName, services } from '@secai/topology';
import { afterEach, expect, it, vi } from 'vitest';
import { verifies } from '../claims.ts';
import { eventually } from '../support/eventually.ts';
import { freeOffset, repository } from '../support/stack.ts';

/** `npm start` as a user runs it, minus npm: the bootstrap, on a home of its own, without the starter model. */
class Start {
  readonly child: ChildProcess;
  output = '';
  readonly closed: Promise<unknown>;

  readonly home: string;
  readonly offset: number;

  constructor(home: string, offset: number) {
    this.home = home;
    this.offset = offset;
    this.child = spawn('node', [join(repository, 'tools/bootstrap.mjs'), 'start'], {
      cwd: repository,
      env: { PATH: process.env['PATH'], SECAI_HOME: home, SECAI_PORT_OFFSET: String(offset), SECAI_NO_MODEL: '1' },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.closed = once(this.child, 'close');
    for (const stream of [this.child.stdout!, this.child.stderr!])
      stream.setEncoding('utf8').on('data', (text: string) => (this.output += text));
  }

  async ready(): Promise<this> {
    await eventually(
      'the ready line',
      () => {
        if (this.child.exitCode !== null) throw new Error(this.output);
        return this.output.includes(`SecAI OS is ready: http://127.0.0.1:${8480 + this.offset}`);
      },
      60_000,
    );
    return this;
  }
}

const homes: string[] = [];
const starts: Start[] = [];

async function newHome(): Promise<string> {
  const home = await mkdtemp(join(tmpdir(), 'secai-start-'));
  homes.push(home);
  return home;
}

async function begin(home?: string, offset?: number): Promise<Start> {
  const start = new Start(home ?? (await newHome()), offset ?? (await freeOffset()));
  starts.push(start);
  return start;
}

/** Processes that belong to a home: its path is in their command line. */
function processesOf(home: string): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(home);
      } catch {
        return false; // it ended meanwhile
      }
    });
}

afterEach(async () => {
  for (const start of starts.splice(0)) {
    if (start.child.exitCode === null && start.child.signalCode === null) start.child.kill('SIGTERM');
    await start.closed;
  }
  for (const home of homes.splice(0)) {
    await eventually('nothing left of the home', () => processesOf(home).length === 0, 15_000);
    await rm(home, { recursive: true, force: true });
  }
});

vi.setConfig({ testTimeout: 120_000 });

verifies(['start.two-commands', 'start.nothing-left'], () => {
  it('prints a table and, last, the ready line; SIGTERM stops it cleanly', async () => {
    const start = await (await begin()).ready();
    const lines = start.output.trimEnd().split('\n');
    expect(lines.at(-1)).toBe(`SecAI OS is ready: http://127.0.0.1:${8480 + start.offset}`);
    for (const service of services)
      expect(start.output).toMatch(new RegExp(`^  ${service.name} +\\S+ +ready +\\d+ MB$`, 'm'));
    expect((await fetch(`http://127.0.0.1:${8480 + start.offset}/`)).status).toBe(200);
    start.child.kill('SIGTERM');
    expect(await start.closed).toEqual([0, null]);
    expect(processesOf(start.home)).toEqual([]);
  });

  it('refuses a second start on the same home and leaves the first one alone', async () => {
    const first = await (await begin()).ready();
    const second = await begin(first.home, await freeOffset());
    expect(await second.closed).toEqual([1, null]);
    expect(second.output).toMatch(/already runs on .* \(process \d+\); stop it first/);
    expect((await fetch(`http://127.0.0.1:${8480 + first.offset}/health`)).status).toBe(200);
  });

  it('runs two stacks side by side, on loopback only, with tokens that fit one stack only', async () => {
    const one = await begin();
    await one.ready();
    const two = await begin();
    await two.ready();
    const token = readFileSync(join(one.home, 'tokens', 'operator--registry'), 'utf8');
    const port = (start: Start) => serviceByName('registry').port + start.offset;
    const ask = (start: Start) =>
      fetch(`http://127.0.0.1:${port(start)}/v1/models`, { headers: { authorization: `Bearer ${token}` } });
    expect((await ask(one)).status).toBe(200);
    expect((await ask(two)).status).toBe(401);
    const listeners = readFileSync('/proc/net/tcp', 'utf8') + readFileSync('/proc/net/tcp6', 'utf8');
    for (const start of [one, two]) {
      for (const service of services.filter(({ name }) => name !== 'store')) {
        const hex = (service.port + start.offset).toString(16).toUpperCase().padStart(4, '0');
        const bound = [...listeners.matchAll(new RegExp(`([0-9A-F]+):${hex} [0-9A-F]+:0000 0A`, 'g'))].map(
          (match) => match[1],
        );
        expect(bound, service.name).toEqual(['0100007F']);
      }
    }
  });

  it('names a taken port and its holder, and leaves nothing running', async () => {
    const offset = await freeOffset();
    const blocker = createServer().listen(8500 + offset, '127.0.0.1');
    await once(blocker, 'listening');
    const start = await begin(undefined, offset);
    expect(await start.closed).toEqual([1, null]);
    expect(start.output).toContain(`port ${8500 + offset} (policy-engine) is taken by `);
    expect(start.output).toContain(`(process ${process.pid})`);
    blocker.close();
  });

  it.each(['bootstrap', 'launcher'] as const)('leaves no process behind when the %s is killed', async (which) => {
    const start = await (await begin()).ready();
    expect(processesOf(start.home).length).toBeGreaterThanOrEqual(services.length);
    const launcher = Number(readFileSync(`/proc/${start.child.pid}/task/${start.child.pid}/children`, 'utf8').trim());
    process.kill(which === 'bootstrap' ? start.child.pid! : launcher, 'SIGKILL');
    await eventually('all services gone', () => processesOf(start.home).length === 0, 15_000);
    const again = await (await begin(start.home, start.offset)).ready();
    expect(again.output).not.toContain('already runs');
  });

  it('stops cleanly when nobody reads its output any more', async () => {
    const start = await (await begin()).ready();
    start.child.stdout!.destroy();
    const registry = processesOf(start.home).find((one) =>
      readFileSync(`/proc/${one}/cmdline`, 'utf8').includes('services/registry'),
    );
    process.kill(Number(registry), 'SIGKILL'); // its restart is a line to print
    const [code] = (await start.closed) as [number];
    expect(code).toBe(0);
    expect(processesOf(start.home)).toEqual([]);
  });

  it('restarts a service that is killed', async () => {
    const start = await (await begin()).ready();
    const pid = processesOf(start.home).find((one) =>
      readFileSync(`/proc/${one}/cmdline`, 'utf8').includes('services/registry'),
    )!;
    process.kill(Number(pid), 'SIGKILL');
    await eventually('registry back', async () => {
      const row = JSON.parse(
        execFileSync('node', [join(repository, 'shared/cli/bin/secai.mjs'), 'status', '--json'], {
          env: { PATH: process.env['PATH'], SECAI_HOME: start.home },
          encoding: 'utf8',
        }),
      ) as { services: { service: string; state: string; restarts: number; pid: number }[] };
      const registry = row.services.find(({ service }) => service === 'registry')!;
      return registry.state === 'ready' && registry.restarts === 1 && registry.pid !== Number(pid);
    });
    await eventually(
      'the reason on the terminal',
      () => /registry .*restarting: killed by SIGKILL/.test(start.output),
      5000,
    );
  });
});
