/** Debian packages that tests need. Asks before it installs, except with CI=true or --yes. */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { createInterface } from 'node:readline/promises';

/** Package → how to see that it is there. */
const probes: Record<string, () => boolean> = {
  chromium: () => existsSync('/usr/bin/chromium'),
  postgresql: () => existsSync('/usr/lib/postgresql') && readdirSync('/usr/lib/postgresql').length > 0,
  'util-linux': () => existsSync('/usr/bin/unshare'),
};

export type SystemPackage = keyof typeof probes;

/** Installs what is missing of `packages`. Throws with the command to run when it may not or cannot. */
export async function ensureSystemPackages(packages: string[], yes: boolean): Promise<void> {
  const missing = packages.filter((name) => !(probes[name] ?? (() => spawnSync('dpkg', ['-s', name]).status === 0))());
  if (missing.length === 0) return;
  const command = `apt-get install -y --no-install-recommends ${missing.join(' ')}`;
  if (!existsSync('/usr/bin/apt-get'))
    throw new Error(`the tests need ${missing.join(', ')}; install them with your system's package manager`);
  if (process.getuid?.() !== 0) throw new Error(`the tests need ${missing.join(', ')}; run: sudo ${command}`);
  if (
    !yes &&
    process.env['CI'] !== 'true' &&
    !(await confirmed(`The tests need ${missing.join(', ')}. Run "${command}"?`))
  ) {
    throw new Error(`the tests need ${missing.join(', ')}; run: ${command}`);
  }
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  for (const args of [['update', '-qq'], command.split(' ').slice(1)]) {
    const result = spawnSync('apt-get', args, { stdio: ['ignore', 'ignore', 'inherit'], env });
    if (result.status !== 0) throw new Error(`apt-get ${args.join(' ')} failed`);
  }
}

async function confirmed(question: string): Promise<boolean> {
  if (!process.stdin.isTTY) return false;
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  const answer = await terminal.question(`${question} [y/N] `);
  terminal.close();
  return /^y(es)?$/i.test(answer.trim());
}
