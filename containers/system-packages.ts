/** Debian packages that image builds and the virtual machine need on the build machine. `node containers/system-packages.ts [--yes]` installs what is missing. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline/promises';
import { BuildError, run } from './src/host.ts';

export interface SystemPackage {
  name: string;
  /** A path that exists once the package is installed. */
  provides: string;
  why: string;
}

export const imagePackages: readonly SystemPackage[] = [
  {
    name: 'mmdebstrap',
    provides: '/usr/bin/mmdebstrap',
    why: 'fetches and verifies Debian packages without root scripts',
  },
  { name: 'buildah', provides: '/usr/bin/buildah', why: 'builds the images' },
  { name: 'binutils', provides: '/usr/bin/strip', why: 'strips the node binary, reads library needs' },
];

export const machinePackages: readonly SystemPackage[] = [
  { name: 'qemu-system-x86', provides: '/usr/bin/qemu-system-x86_64', why: 'boots the machine' },
  { name: 'ovmf', provides: '/usr/share/OVMF/OVMF_CODE_4M.fd', why: 'UEFI firmware' },
  { name: 'swtpm', provides: '/usr/bin/swtpm', why: 'virtual TPM' },
  { name: 'e2fsprogs', provides: '/usr/sbin/mkfs.ext4', why: 'makes the disk' },
];

export function missingPackages(packages: readonly SystemPackage[]): SystemPackage[] {
  return packages.filter((candidate) => !existsSync(candidate.provides));
}

/**
 * Installs what is missing of `packages` with apt, after asking; does not ask with CI=true or `yes`.
 * Throws BuildError `packages_missing` when the answer is no, when nobody can answer, or when this is not a Debian machine run as root.
 */
export async function ensureSystemPackages(
  packages: readonly SystemPackage[],
  options: { yes: boolean },
): Promise<void> {
  const missing = missingPackages(packages);
  if (missing.length === 0) return;
  const names = missing.map((one) => one.name).join(' ');
  const stop = (why: string): never => {
    throw new BuildError('packages_missing', `${why}. Install them with: apt-get install ${names}`);
  };
  for (const one of missing) console.log(`missing ${one.name}: ${one.why}`);
  if (!existsSync('/usr/bin/apt-get')) stop('These packages are missing and there is no apt-get');
  if (process.getuid?.() !== 0) stop('These packages are missing and only root may install them');
  if (!options.yes) {
    if (!process.stdin.isTTY) stop('These packages are missing and nobody is at the terminal to agree');
    const prompt = createInterface({ input: process.stdin, output: process.stdout });
    const answer = await prompt.question(`Install ${names} with apt-get? [y/N] `);
    prompt.close();
    if (!/^y(es)?$/i.test(answer.trim())) stop('Not installed');
  }
  const env = { DEBIAN_FRONTEND: 'noninteractive' };
  run('apt-get', ['-q', 'update'], { env });
  const install = spawnSync(
    'apt-get',
    ['-q', '-y', '--no-install-recommends', 'install', ...missing.map((one) => one.name)],
    {
      env: { ...process.env, ...env },
      stdio: 'inherit',
    },
  );
  if (install.status !== 0) stop('apt-get could not install these packages');
}

/** True when the person has already agreed: `--yes`, or CI=true. */
export function agreed(args: readonly string[] = process.argv): boolean {
  return args.includes('--yes') || process.env['CI'] === 'true';
}

if (import.meta.main) await ensureSystemPackages([...imagePackages, ...machinePackages], { yes: agreed() });
