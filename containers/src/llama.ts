import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { copyrightFiles, libraryFolders } from './base.ts';
import { type DebianPackage, type DebianRoot, debianRoot, packagesWith } from './debian.ts';
import { libraryClosure, sharedObjectsIn } from './elf.ts';
import { cacheFolder } from './paths.ts';
import { copyPaths, link } from './rootfs.ts';

const backends = 'usr/lib/x86_64-linux-gnu/ggml/backends0';

/** What @secai/sandbox needs to run the engine and the scanner without network and without the service's secrets. */
const sandboxTools = ['bwrap', 'cat', 'dash', 'setpriv'].map((name) => `usr/bin/${name}`);

/** Debian's llama.cpp with all its tools, unpacked in the cache. */
export function llamaPackages(options: { fresh?: boolean } = {}): DebianRoot {
  return debianRoot({
    suite: 'forky',
    packages: ['llama.cpp', 'bubblewrap', 'coreutils', 'dash', 'util-linux'],
    fresh: options.fresh,
  });
}

/**
 * Files of llama-server from Debian forky with forky's own C library: they lie over the base layer, whose node binary runs with a
 * newer glibc as well, so its pages stay shared with every other container.
 */
export function buildLlamaRoot(options: { fresh?: boolean } = {}): { root: string; packages: DebianPackage[] } {
  const debian = llamaPackages(options);
  const root = join(cacheFolder, 'images/llama-root');
  rmSync(root, { recursive: true, force: true });
  const files = libraryClosure(
    debian.root,
    [
      ...sandboxTools,
      'usr/bin/llama-server',
      'usr/lib/x86_64-linux-gnu/libstdc++.so.6',
      ...sharedObjectsIn(debian.root, backends),
    ],
    [...libraryFolders, 'usr/lib/x86_64-linux-gnu/llama'],
  );
  const glibc = [
    'libdl.so.2',
    'libpthread.so.0',
    'librt.so.1',
    'libresolv.so.2',
    'libnss_dns.so.2',
    'libnss_files.so.2',
  ];
  copyPaths(debian.root, root, [...files, ...glibc.map((name) => `usr/lib/x86_64-linux-gnu/${name}`)]);
  link(root, 'usr/bin/sh', 'dash');
  const used = packagesWith(debian, files);
  copyPaths(debian.root, root, copyrightFiles(debian.root, used));
  return { root, packages: used };
}
