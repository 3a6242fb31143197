import { existsSync, lstatSync, readdirSync, readlinkSync } from 'node:fs';
import { dirname, join, normalize, resolve } from 'node:path';
import { BuildError, run } from './host.ts';

const loader = 'usr/lib64/ld-linux-x86-64.so.2';

/**
 * The files that `programs` (paths inside `root`, no leading slash) need to run: themselves, the loader and every shared library,
 * with the symbolic links on the way. `searchFolders` come in order; the first hit wins, as for the loader.
 * Throws BuildError when a library is missing.
 */
export function libraryClosure(root: string, programs: readonly string[], searchFolders: readonly string[]): string[] {
  const wanted = new Set<string>();
  const queue = [...programs, loader];
  for (let path = queue.pop(); path !== undefined; path = queue.pop()) {
    const onTheWay = linkChain(root, path);
    const file = onTheWay.at(-1)!;
    const seen = wanted.has(file);
    for (const step of onTheWay) wanted.add(step);
    if (seen) continue;
    for (const library of neededBy(join(root, file))) {
      const folder = searchFolders.find((candidate) => existsSync(join(root, candidate, library)));
      if (!folder) {
        throw new BuildError(
          'command_failed',
          `${file} needs ${library}, which is in none of ${searchFolders.join(', ')} of ${root}`,
        );
      }
      queue.push(join(folder, library));
    }
  }
  return [...wanted].sort();
}

/** Shared objects of one folder, as paths inside the root. */
export function sharedObjectsIn(root: string, folder: string): string[] {
  return readdirSync(join(root, folder))
    .filter((name) => name.endsWith('.so'))
    .map((name) => join(folder, name));
}

function neededBy(file: string): string[] {
  return [...run('readelf', ['-d', file]).matchAll(/\(NEEDED\).*\[(.+)\]/g)].map((match) => match[1]!);
}

/** `path` and what its symbolic links lead to; the last one is a file. Folder links (`lib` → `usr/lib`) are resolved away. */
function linkChain(root: string, path: string): string[] {
  const chain = [normalize(path)];
  for (;;) {
    const last = chain.at(-1)!;
    const here = join(root, last);
    if (!lstatSync(here).isSymbolicLink()) return chain;
    const target = readlinkSync(here);
    const next = target.startsWith('/') ? target.slice(1) : resolve('/', dirname(last), target).slice(1);
    chain.push(next.replace(/^(lib|lib64|bin|sbin)\//, 'usr/$1/'));
  }
}
