/** Commands inside the machine, as root and as the two service users in their namespaces. */
import { spawnSync } from 'node:child_process';

export interface Outcome {
  code: number;
  out: string;
  err: string;
}

export function sh(
  program: string,
  args: readonly string[],
  options: { timeoutMs?: number; input?: string } = {},
): Outcome {
  const result = spawnSync(program, args, {
    encoding: 'utf8',
    timeout: options.timeoutMs ?? 120_000,
    input: options.input,
    cwd: '/',
    maxBuffer: 64 * 1024 * 1024,
  });
  return {
    code: result.status ?? 124,
    out: result.stdout ?? '',
    err: `${result.stderr ?? ''}${result.error ? result.error.message : ''}`,
  };
}

/** As `sh`, for commands that must succeed. */
export function must(
  program: string,
  args: readonly string[],
  options: { timeoutMs?: number; input?: string } = {},
): string {
  const outcome = sh(program, args, options);
  if (outcome.code !== 0)
    throw new Error(
      `${program} ${args.join(' ')}: code ${outcome.code}: ${(outcome.err || outcome.out).trim().slice(-400)}`,
    );
  return outcome.out;
}

const users = {
  secai: { uid: 970, namespace: 'secai-sealed', home: '/var/lib/secai' },
  'secai-airlock': { uid: 971, namespace: 'secai-egress', home: '/var/lib/secai-airlock' },
} as const;

/** Arguments for nsenter that run a command as a service user, in its namespace, with its environment. */
export function asUser(user: keyof typeof users, command: readonly string[]): string[] {
  const { uid, namespace, home } = users[user];
  return [
    `--net=/run/netns/${namespace}`,
    '--',
    ...['runuser', '-u', user, '--', 'env', '-C', '/', `USER=${user}`, `LOGNAME=${user}`, `HOME=${home}`],
    ...[`XDG_RUNTIME_DIR=/run/user/${uid}`, `DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/${uid}/bus`],
    ...command,
  ];
}

export function userctl(...args: string[]): Outcome {
  return sh('nsenter', asUser('secai', ['systemctl', '--user', ...args]));
}

/** podman as the user secai, started by its user manager: `podman exec` may enter a container's cgroup only from there. */
export function podman(args: readonly string[], options: { timeoutMs?: number; input?: string } = {}): Outcome {
  return sh('nsenter', asUser('secai', [...transient, 'podman', ...args]), options);
}

const transient = ['systemd-run', '--user', '--quiet', '--collect', '--wait', '--pipe', '--'];

export function property(unit: string, name: string): string {
  return userctl('show', '-p', name, '--value', unit).out.trim();
}

/** Polls until `body` gives a value; throws with `what` after the deadline. */
export async function until<T>(what: string, seconds: number, body: () => T | undefined, everyMs = 3000): Promise<T> {
  const deadline = performance.now() + seconds * 1000;
  for (;;) {
    const value = body();
    if (value !== undefined) return value;
    if (performance.now() > deadline) throw new Error(`${what} did not happen within ${seconds} s`);
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
}
