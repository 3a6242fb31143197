import { chmodSync, copyFileSync, cpSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { copyrightFiles, libraryFolders, makeSkeleton } from './base.ts';
import { type DebianPackage, debianRoot, packagesWith } from './debian.ts';
import { libraryClosure, sharedObjectsIn } from './elf.ts';
import { cacheFolder, containersFolder } from './paths.ts';
import { copyPaths, link, makeFolder } from './rootfs.ts';

const home = 'usr/lib/postgresql/17';
/** LLVM alone is 130 MB and only speeds up long analytical queries. */
const withoutJit = (path: string): boolean => !/llvmjit|bitcode/.test(path);

/** Root of PostgreSQL 17 with pgvector, and dash for initdb. */
export function buildPostgresRoot(options: { fresh?: boolean } = {}): { root: string; packages: DebianPackage[] } {
  const debian = debianRoot({
    suite: 'trixie',
    packages: ['postgresql-17', 'postgresql-17-pgvector', 'dash', 'coreutils'],
    fresh: options.fresh,
  });
  const root = join(cacheFolder, 'images/postgres-root');
  rmSync(root, { recursive: true, force: true });
  makeSkeleton(root);
  const programs = ['postgres', 'initdb', 'pg_isready'].map((name) => `${home}/bin/${name}`);
  const tools = ['dash', 'rm', 'mv'].map((name) => `usr/bin/${name}`);
  const modules = sharedObjectsIn(debian.root, `${home}/lib`).filter(withoutJit);
  const files = libraryClosure(debian.root, [...programs, ...tools, ...modules], [...libraryFolders, `${home}/lib`]);
  copyPaths(debian.root, root, files);
  for (const folder of ['usr/share/postgresql/17', 'usr/share/zoneinfo', 'usr/lib/locale/C.utf8']) {
    cpSync(join(debian.root, folder), join(root, folder), { recursive: true, verbatimSymlinks: true });
  }
  link(root, 'usr/bin/sh', 'dash');
  makeFolder(root, 'usr/lib/secai');
  copyFileSync(join(containersFolder, 'postgres/postgres-start'), join(root, 'usr/lib/secai/postgres-start'));
  chmodSync(join(root, 'usr/lib/secai/postgres-start'), 0o644);
  const used = packagesWith(debian, files);
  copyPaths(debian.root, root, copyrightFiles(debian.root, used));
  return { root, packages: used };
}
