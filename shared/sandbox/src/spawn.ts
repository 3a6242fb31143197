import { type ChildProcess, type IOType, spawn } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { isAbsolute, normalize } from 'node:path';
import { SandboxError } from './errors.ts';
import { commandLine, type FilesystemIsolation, type SandboxMethod } from './methods.ts';
import { findSandbox } from './probe.ts';
import { readTree } from './process-tree.ts';
import { SETUP_FAILED } from './setup-script.ts';

export type SandboxStdio = 'ignore' | 'pipe' | 'inherit';

export interface SandboxOptions {
  /** Absolute path of the program; visible inside without being named in `readOnly`. */
  readonly command: string;
  readonly args?: readonly string[];
  /** The whole environment of the command but PATH, HOME and TMPDIR; nothing is inherited, NODE_OPTIONS never passed on. */
  readonly env?: Readonly<Record<string, string>>;
  /** Working folder inside; `/` by default. */
  readonly cwd?: string;
  /** Absolute paths of files and folders that the command may read. */
  readonly readOnly: readonly string[];
  /** Absolute paths of folders that the command may change. Unix sockets in them connect both worlds. */
  readonly readWrite: readonly string[];
  /** Always false: there is no sandbox with network. Written out so that every call says it. */
  readonly network: false;
  /** Cap on anonymous memory of the whole process tree. */
  readonly memoryBytes: number;
  /** Cap on processor time of the whole process tree. */
  readonly cpuSeconds?: number;
  /** Cap on time since the start. */
  readonly wallMs?: number;
  /** Size of the private /tmp; 64 MiB by default. */
  readonly tmpBytes?: number;
  readonly stdio?: {
    readonly stdin?: 'ignore' | 'pipe';
    readonly stdout?: SandboxStdio;
    readonly stderr?: SandboxStdio;
  };
  /**
   * True: stdin is a pipe that stays open as long as this process lives; the command reads it and ends at its end.
   * A second line behind the kernel's parent-death signal, and the way to ask for a clean stop (`endInput`).
   */
  readonly lifeline?: boolean;
  /** Aborting kills the tree. */
  readonly signal?: AbortSignal;
  /** Where to look for the sandbox tools, as in PATH; the system's folders by default. */
  readonly searchPath?: string;
}

/** Why the sandbox ended the command; null in `SandboxExit` when the command ended by itself. */
export type StopCause = 'memory' | 'cpu' | 'wall' | 'stopped' | 'watch' | 'setup';

export interface SandboxExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly cause: StopCause | null;
  /** One sentence for a person. */
  readonly message: string;
  readonly wallMs: number;
  readonly cpuMs: number;
  readonly peakMemoryBytes: number;
}

export interface Sandboxed {
  /** `child.pid` is the sandbox's outermost process, not the command. */
  readonly child: ChildProcess;
  readonly isolation: {
    readonly network: 'none';
    readonly filesystem: FilesystemIsolation;
    readonly method: SandboxMethod;
  };
  /** Settles once, when the whole tree is gone and its output is read; never rejects. */
  readonly exited: Promise<SandboxExit>;
  /** Ends the lifeline: the command is asked to stop. */
  endInput(): void;
  /** Kills the whole tree at once. */
  kill(): void;
}

const WATCH_MS = 50;
const DEFAULT_TMP_BYTES = 64 << 20;
/** Room for what RLIMIT_DATA counts and RssAnon does not: stacks and heaps that are reserved but never touched. */
const DATA_SLACK_BYTES = 1 << 30;
const DATA_PER_CPU_BYTES = 32 << 20;

/**
 * Starts a command without network, with a clean environment, no new privileges, no core dumps and caps on memory and
 * time. It dies with this process, also when this process is killed with SIGKILL.
 * Fails closed: throws SandboxError `unavailable` where no such process can be made, `bad_option` for a wrong call.
 * What the returned isolation says is what the command got.
 */
export async function spawnSandboxed(options: SandboxOptions): Promise<Sandboxed> {
  check(options);
  const finding = await findSandbox(options.searchPath);
  if (!finding.available) throw new SandboxError('unavailable', `${finding.reason} ${finding.install}`);
  options.signal?.throwIfAborted();

  const plan = {
    command: options.command,
    args: options.args ?? [],
    cwd: options.cwd ?? '/',
    readOnly: [options.command, ...options.readOnly],
    readWrite: options.readWrite,
    tmpBytes: options.tmpBytes ?? DEFAULT_TMP_BYTES,
    // One second more than the watch allows, so that the watch is the one to end it and can say why.
    cpuSeconds: options.cpuSeconds === undefined ? null : Math.ceil(options.cpuSeconds) + 1,
    dataBytes: options.memoryBytes + DATA_SLACK_BYTES + availableParallelism() * DATA_PER_CPU_BYTES,
  };
  const [program, ...args] = commandLine(finding.method, plan, finding.tools!, process.getuid?.() === 0);
  const stdin: IOType = options.lifeline === true ? 'pipe' : (options.stdio?.stdin ?? 'ignore');
  const child = spawn(program!, args, {
    env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', HOME: '/tmp', TMPDIR: '/tmp', ...options.env },
    stdio: [stdin, options.stdio?.stdout ?? 'ignore', options.stdio?.stderr ?? 'ignore'],
    // A process group of its own: a Ctrl-C at the terminal is the parent's to handle, and one kill reaches all.
    detached: true,
  });
  child.stdin?.on('error', () => {});
  const exited = supervise(child, options);
  return {
    child,
    isolation: { network: 'none', filesystem: finding.filesystem, method: finding.method },
    exited: exited.done,
    endInput: () => child.stdin?.end(),
    kill: () => exited.stop('stopped'),
  };
}

function supervise(child: ChildProcess, options: SandboxOptions) {
  const started = performance.now();
  let cause: StopCause | null = null;
  let peakMemoryBytes = 0;
  let cpuMs = 0;
  let over = false;

  function stop(why: StopCause): void {
    if (over || child.pid === undefined) return;
    cause ??= why;
    try {
      // The group holds the outermost processes; the kernel takes the rest of the pid namespace with its first process.
      process.kill(-child.pid, 'SIGKILL');
    } catch {
      child.kill('SIGKILL');
    }
  }

  function watch(): void {
    if (child.pid === undefined) return;
    try {
      const usage = readTree(child.pid);
      peakMemoryBytes = Math.max(peakMemoryBytes, usage.memoryBytes);
      cpuMs = Math.max(cpuMs, usage.cpuMs);
      if (usage.memoryBytes > options.memoryBytes) stop('memory');
      else if (options.cpuSeconds !== undefined && usage.cpuMs > options.cpuSeconds * 1000) stop('cpu');
    } catch {
      stop('watch');
    }
  }

  const watcher = setInterval(watch, WATCH_MS);
  const wall = options.wallMs === undefined ? undefined : setTimeout(() => stop('wall'), options.wallMs);
  const onAbort = () => stop('stopped');
  options.signal?.addEventListener('abort', onAbort, { once: true });
  if (options.signal?.aborted) onAbort();

  const done = new Promise<SandboxExit>((resolve) => {
    const finish = (code: number | null, signal: NodeJS.Signals | null, error?: Error) => {
      over = true;
      clearInterval(watcher);
      clearTimeout(wall);
      options.signal?.removeEventListener('abort', onAbort);
      if (cause === null && (error !== undefined || code === SETUP_FAILED)) cause = 'setup';
      const wallMs = performance.now() - started;
      const message = describe(cause, code, signal, options, error);
      resolve({ code, signal, cause, message, wallMs, cpuMs, peakMemoryBytes });
    };
    child.once('error', (error) => finish(null, null, error));
    child.once('close', (code, signal) => finish(code, signal));
  });
  return { done, stop };
}

function describe(
  cause: StopCause | null,
  code: number | null,
  signal: NodeJS.Signals | null,
  options: SandboxOptions,
  error?: Error,
): string {
  switch (cause) {
    case 'memory':
      return `It used more than its ${Math.round(options.memoryBytes / 2 ** 20)} MiB of memory and was ended.`;
    case 'cpu':
      return `It used more than its ${options.cpuSeconds} s of processor time and was ended.`;
    case 'wall':
      return `It ran longer than its ${(options.wallMs ?? 0) / 1000} s and was ended.`;
    case 'stopped':
      return 'It was stopped.';
    case 'watch':
      return 'Its memory could not be watched, so it was ended; this process must be able to read /proc.';
    case 'setup':
      return `Its sandbox could not be set up${error === undefined ? '' : `: ${error.message}`}.`;
    case null:
      return signal === null ? `It ended with status ${code}.` : `It was ended by ${signal}.`;
  }
}

function check(options: SandboxOptions): void {
  for (const path of [options.command, options.cwd ?? '/', ...options.readOnly, ...options.readWrite]) {
    if (!isAbsolute(path) || normalize(path) !== path || /[\u0000-\u001f]/.test(path)) {
      throw new SandboxError('bad_option', `A sandbox path must be absolute and normal: ${JSON.stringify(path)}.`);
    }
    if (/^\/(proc|sys|dev)(\/|$)/.test(path)) {
      throw new SandboxError(
        'bad_option',
        `A sandbox has its own /proc, /sys and /dev; ${path} cannot be shown in it.`,
      );
    }
  }
  for (const path of [...options.readOnly, ...options.readWrite]) {
    if (path === '/') throw new SandboxError('bad_option', 'A sandbox that shows the whole file system is none.');
  }
  for (const [name, value] of [
    ['memoryBytes', options.memoryBytes],
    ['cpuSeconds', options.cpuSeconds ?? 1],
    ['wallMs', options.wallMs ?? 1],
    ['tmpBytes', options.tmpBytes ?? 1],
  ] as const) {
    if (!Number.isFinite(value) || value <= 0) {
      throw new SandboxError('bad_option', `${name} must be a positive number, not ${value}.`);
    }
  }
}
