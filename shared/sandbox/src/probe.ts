import { type SpawnOptions, spawn } from 'node:child_process';
import {
  candidates,
  commandLine,
  type FilesystemIsolation,
  filesystemOf,
  type SandboxMethod,
  type Tools,
} from './methods.ts';

/** What this machine can do. When it cannot, `reason` is one sentence for a person and `install` says what to do. */
export type SandboxProbe =
  | {
      readonly available: true;
      readonly method: SandboxMethod;
      readonly network: 'none';
      readonly filesystem: FilesystemIsolation;
    }
  | { readonly available: false; readonly reason: string; readonly install: string };

export type Finding = SandboxProbe & { readonly tools: Tools | null };

const SYSTEM_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
const INSTALL = 'Install bubblewrap (Debian, Fedora: package "bubblewrap") or util-linux 2.38 or newer.';
const PROBE_MS = 10_000;
const known = new Map<string, Promise<Finding>>();

/**
 * Says whether a child without network can be made here, by making one for each method in turn and looking at the
 * network devices that it sees. A success is remembered for the life of the process. Never rejects.
 * `searchPath`: where to look for the tools, as in PATH; the system's folders by default.
 */
export async function probeSandbox(options: { searchPath?: string } = {}): Promise<SandboxProbe> {
  const { tools: _tools, ...probe } = await findSandbox(options.searchPath ?? SYSTEM_PATH);
  return probe;
}

/** `probeSandbox` with the tools it found. */
export async function findSandbox(searchPath: string = SYSTEM_PATH): Promise<Finding> {
  let finding = known.get(searchPath);
  if (finding === undefined) {
    finding = look(searchPath);
    known.set(searchPath, finding);
  }
  const result = await finding;
  if (!result.available) known.delete(searchPath);
  return result;
}

async function look(searchPath: string): Promise<Finding> {
  if (process.platform !== 'linux') {
    return refuse(`A process without network needs Linux namespaces; this is ${process.platform}.`, 'Run on Linux.');
  }
  if (process.permission !== undefined && !process.permission.has('fs.read', '/proc')) {
    return refuse(
      'The memory of a sandboxed process cannot be watched: this process may not read /proc.',
      'Start it with --allow-fs-read=/proc.',
    );
  }
  let tools: Tools & { cat: string };
  try {
    tools = await findTools(searchPath);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return refuse(`Looking for sandbox tools failed: ${why}.`, 'Under --permission, add --allow-child-process.');
  }
  const methods = candidates(tools);
  if (methods.length === 0) return refuse('Neither bubblewrap nor unshare with setpriv is installed.', INSTALL);
  const failures: string[] = [];
  for (const method of methods) {
    const failure = await attempt(method, tools);
    if (failure === null) {
      return { available: true, method, network: 'none', filesystem: filesystemOf(method), tools };
    }
    failures.push(`${method}: ${failure}`);
  }
  return refuse(`This system does not let this user make namespaces (${failures.join('; ')}).`, INSTALL);
}

async function findTools(searchPath: string): Promise<Tools & { cat: string }> {
  // Asked of a shell: under Node's permission model a file that may not be read looks like one that is not there.
  const script = 'for tool in sh bwrap unshare setpriv cat; do command -v "$tool" || echo; done';
  const { stdout } = await capture('/bin/sh', ['-c', script], { env: { PATH: searchPath } });
  const [sh, bwrap, unshare, setpriv, cat] = stdout.split('\n').map((path) => (path.startsWith('/') ? path : null));
  return {
    sh: sh ?? '/bin/sh',
    bwrap: bwrap ?? null,
    unshare: unshare ?? null,
    setpriv: setpriv ?? null,
    cat: cat ?? '/bin/cat',
  };
}

/** Null when the method yields a process that sees no network device but loopback; else what went wrong. */
async function attempt(method: SandboxMethod, tools: Tools & { cat: string }): Promise<string | null> {
  const plan = {
    command: tools.cat,
    args: ['/proc/net/dev'],
    cwd: '/',
    readOnly: [tools.cat],
    readWrite: [],
    tmpBytes: 1 << 20,
    cpuSeconds: 10,
    dataBytes: null,
  };
  const [program, ...args] = commandLine(method, plan, tools, process.getuid?.() === 0);
  try {
    const { code, stdout, stderr } = await capture(program!, args, { env: { PATH: SYSTEM_PATH } });
    if (code !== 0) return stderr.trim().split('\n').at(-1) || `ended with status ${code}`;
    const devices = [...stdout.matchAll(/^\s*([^\s:]+):/gm)].map((match) => match[1]);
    return devices.length === 1 && devices[0] === 'lo' ? null : 'the process still sees network devices';
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function refuse(reason: string, install: string): Finding {
  return { available: false, reason, install, tools: null };
}

function capture(program: string, args: readonly string[], options: SpawnOptions) {
  return new Promise<{ code: number | null; stdout: string; stderr: string }>((resolve, reject) => {
    const child = spawn(program, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'], timeout: PROBE_MS });
    let stdout = '';
    let stderr = '';
    child.stdout!.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    child.stderr!.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, stdout, stderr }));
  });
}
