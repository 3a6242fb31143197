import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { digestsFile, imageStore, repository } from '../containers/src/paths.ts';
import { services, startOrder } from '../shared/topology/src/index.ts';

/** uid of the user that runs every container but the airlock; also in image/rootfs/usr/lib/sysusers.d/secai.conf. */
export const servicesUid = 970;
/** What starts by itself: manager, target and unit. */
const enabled: readonly [manager: 'system' | 'user', target: string, unit: string][] = [
  ['system', 'multi-user.target', 'secai-firewall.service'],
  ['system', 'multi-user.target', 'secai-netns.service'],
  ['system', 'sockets.target', 'secai-ui.socket'],
  ['user', 'default.target', 'secai.target'],
  ['user', 'timers.target', 'secai-heal.timer'],
];

/**
 * Lays everything of SecAI over a root file system: units, packet filters, Quadlets with the digests of the newest image build, and the
 * read-only image store. The same for the virtual machine and for the bootc image. Throws when an image of the topology was not built.
 */
export function installOverlay(root: string): void {
  for (const overlay of ['netns/rootfs', 'image/rootfs']) {
    cpSync(join(repository, overlay), root, { recursive: true, verbatimSymlinks: true });
  }
  const share = join(root, 'usr/share/secai');
  for (const folder of ['nft', 'seccomp'])
    cpSync(join(repository, 'quadlets', folder), join(share, folder), { recursive: true });
  cpSync(join(repository, 'quadlets/secai'), join(share, 'quadlets/secai'), { recursive: true });
  cpSync(join(repository, 'quadlets/units'), join(root, 'usr/lib/systemd/user'), { recursive: true });
  cpSync(join(repository, 'quadlets/secrets.plan'), join(share, 'secrets.plan'));
  write(
    join(share, 'services'),
    startOrder()
      .map((service) => `secai-${service.name}.service\n`)
      .join(''),
  );
  pinDigests(join(share, 'quadlets/secai'));
  makeLink(`/usr/share/secai/quadlets/secai`, join(root, `etc/containers/systemd/users/${servicesUid}`));
  for (const [manager, target, unit] of enabled) {
    makeLink(`../${unit}`, join(root, `usr/lib/systemd/${manager}/${target}.wants/${unit}`));
  }
  installImages(join(root, 'usr/lib/secai/images'));
  for (const file of ['etc/subuid', 'etc/subgid'])
    addLines(join(root, file), ['secai:1000000:65536', 'secai-airlock:4000000:65536']);
}

/** Each unit names its image by digest, in a drop-in beside the committed unit. */
function pinDigests(folder: string): void {
  const digests = JSON.parse(readFileSync(digestsFile, 'utf8')) as Record<string, string>;
  for (const service of services) {
    const digest = digests[service.name];
    if (!digest) throw new Error(`There is no image for ${service.name}; run \`npm run build:images\``);
    write(
      join(folder, `secai-${service.name}.container.d/10-image.conf`),
      `[Container]\nImage=localhost/secai/${service.name}@${digest}\n`,
    );
  }
}

/** The store is world-readable because the container user is not its owner; containers/storage opens its lock files for reading. */
function installImages(target: string): void {
  rmSync(target, { recursive: true, force: true });
  mkdirSync(dirname(target), { recursive: true });
  execFileSync('cp', ['-a', imageStore, target]);
  for (const scratch of ['tmp', 'libpod', 'secrets', 'volumes', 'networks', 'db.sql', 'defaultNetworkBackend'])
    rmSync(join(target, scratch), { recursive: true, force: true });
  for (const layer of readdirSync(join(target, 'overlay'))) {
    for (const unused of ['merged', 'work'])
      rmSync(join(target, 'overlay', layer, unused), { recursive: true, force: true });
  }
  execFileSync('chmod', ['-R', 'a+rX', target]);
}

function makeLink(target: string, at: string): void {
  mkdirSync(dirname(at), { recursive: true });
  rmSync(at, { force: true });
  symlinkSync(target, at);
}

function write(file: string, text: string): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
  chmodSync(file, 0o644);
}

function addLines(file: string, lines: readonly string[]): void {
  const before = existsSync(file) ? readFileSync(file, 'utf8') : '';
  const missing = lines.filter((line) => !before.split('\n').includes(line));
  if (missing.length > 0) write(file, `${before}${missing.join('\n')}\n`);
}
