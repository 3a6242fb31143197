import { LIMITS_SCRIPT, PRIVATE_ROOT_SCRIPT } from './setup-script.ts';

/** How the namespaces are made. `unshare-host-files` has no network either, but sees the host's files. */
export type SandboxMethod = 'bwrap' | 'unshare' | 'unshare-host-files';

/** `readonly`: nothing of the host is visible but what was named, and that read-only unless named read-write. */
export type FilesystemIsolation = 'readonly' | 'host';

/** Absolute paths of the system's tools; null where the machine lacks one. */
export interface Tools {
  readonly sh: string;
  readonly bwrap: string | null;
  readonly unshare: string | null;
  readonly setpriv: string | null;
}

export interface Plan {
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly readOnly: readonly string[];
  readonly readWrite: readonly string[];
  readonly tmpBytes: number;
  /** Kernel limits per process; the watch over the whole tree is the first line. Null: none. */
  readonly cpuSeconds: number | null;
  readonly dataBytes: number | null;
}

/** What a dynamically linked program needs to start; no configuration, no home folders, no state. */
const SYSTEM_LIBRARIES = ['/usr/lib', '/usr/lib64', '/usr/lib32', '/lib', '/lib64', '/lib32', '/etc/ld.so.cache'];

export function filesystemOf(method: SandboxMethod): FilesystemIsolation {
  return method === 'unshare-host-files' ? 'host' : 'readonly';
}

/** The methods whose tools are here, strongest first. */
export function candidates(tools: Tools): SandboxMethod[] {
  const methods: SandboxMethod[] = [];
  if (tools.bwrap !== null) methods.push('bwrap');
  if (tools.unshare !== null && tools.setpriv !== null) methods.push('unshare', 'unshare-host-files');
  return methods;
}

/** The command line that runs `plan` by `method`: first element the program. `root`: the caller is uid 0. */
export function commandLine(method: SandboxMethod, plan: Plan, tools: Tools, root: boolean): string[] {
  const limits = [
    plan.cpuSeconds === null ? 'unlimited' : String(plan.cpuSeconds),
    plan.dataBytes === null ? 'unlimited' : String(Math.ceil(plan.dataBytes / 1024)),
  ];
  const inner = method === 'bwrap' ? bwrap(plan, tools) : unshare(method, plan, tools, root);
  const line = [tools.sh, '-c', LIMITS_SCRIPT, 'sandbox', ...limits, ...inner];
  // The kernel sends SIGKILL down the chain when the parent dies, whatever the parent died of.
  return tools.setpriv === null ? line : [tools.setpriv, '--pdeathsig', 'KILL', '--', ...line];
}

function bwrap(plan: Plan, tools: Tools): string[] {
  const mounts = ordered(plan).flatMap(([mode, path]) => [mode === 'rw' ? '--bind' : '--ro-bind', path, path]);
  return [
    tools.bwrap!,
    '--unshare-all',
    '--die-with-parent',
    '--hostname',
    'sandbox',
    '--cap-drop',
    'ALL',
    '--unsetenv',
    'NODE_OPTIONS',
    ...SYSTEM_LIBRARIES.flatMap((path) => ['--ro-bind-try', path, path]),
    '--proc',
    '/proc',
    '--dev',
    '/dev',
    '--size',
    String(plan.tmpBytes),
    '--tmpfs',
    '/tmp',
    ...mounts,
    '--chdir',
    plan.cwd,
    '--',
    plan.command,
    ...plan.args,
  ];
}

function unshare(method: 'unshare' | 'unshare-host-files', plan: Plan, tools: Tools, root: boolean): string[] {
  const namespaces = ['--net', '--pid', '--ipc', '--uts', '--fork', '--kill-child=SIGKILL', '--propagation', 'private'];
  if (method === 'unshare-host-files') {
    const user = root ? [] : ['--user', '--map-current-user'];
    const drop = [tools.setpriv!, '--no-new-privs', '--bounding-set=-all', '--inh-caps=-all', '--ambient-caps=-all'];
    const bounded = root ? drop : [tools.setpriv!, '--no-new-privs'];
    const head = [tools.unshare!, ...user, ...namespaces, '--mount-proc', '--wd', plan.cwd, '--'];
    return [...head, ...bounded, '--', plan.command, ...plan.args];
  }
  const user = root ? [] : ['--user', '--map-root-user'];
  const mounts = [...SYSTEM_LIBRARIES.flatMap((path) => ['sys', path]), ...ordered(plan).flat()];
  const script = [tools.sh, '-c', PRIVATE_ROOT_SCRIPT, 'sandbox', plan.cwd, String(plan.tmpBytes), ...mounts, '--'];
  return [tools.unshare!, ...user, ...namespaces, '--mount', '--', ...script, plan.command, ...plan.args];
}

/** Parents before children, so that a read-write folder inside a read-only one is attached on top of it. */
function ordered(plan: Plan): ['ro' | 'rw', string][] {
  const modes = new Map<string, 'ro' | 'rw'>();
  for (const path of plan.readOnly) modes.set(path, 'ro');
  for (const path of plan.readWrite) modes.set(path, 'rw');
  return [...modes].map(([path, mode]): ['ro' | 'rw', string] => [mode, path]).sort((a, b) => (a[1] < b[1] ? -1 : 1));
}
