import { createHash } from 'node:crypto';
import {
  chmodSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';

export type Entry =
  | { path: string; kind: 'file'; mode: string; sha256: string; bytes: number }
  | { path: string; kind: 'folder'; mode: string }
  | { path: string; kind: 'link'; target: string };

/** Copies single paths (no leading slash) from one root into another, links as links. */
export function copyPaths(from: string, to: string, paths: readonly string[]): void {
  for (const path of paths) {
    const target = join(to, path);
    if (existsSync(target)) continue;
    makeFolder(to, dirname(path));
    cpSync(join(from, path), target, { verbatimSymlinks: true, recursive: false });
  }
}

export function makeFolder(root: string, path: string, mode = 0o755): void {
  mkdirSync(join(root, path), { recursive: true });
  chmodSync(join(root, path), mode);
}

export function writeText(root: string, path: string, text: string, mode = 0o644): void {
  makeFolder(root, dirname(path));
  writeFileSync(join(root, path), text);
  chmodSync(join(root, path), mode);
}

export function link(root: string, path: string, target: string): void {
  makeFolder(root, dirname(path));
  symlinkSync(target, join(root, path));
}

/** Everything below `root`, sorted by path. Throws for devices, sockets and setuid files: none belongs in an image. */
export function listTree(root: string, below = ''): Entry[] {
  const entries: Entry[] = [];
  for (const name of readdirSync(join(root, below)).sort()) {
    const path = below ? `${below}/${name}` : name;
    const here = join(root, path);
    const stat = lstatSync(here);
    const mode = (stat.mode & 0o7777).toString(8).padStart(4, '0');
    if (stat.isSymbolicLink()) entries.push({ path, kind: 'link', target: readlinkSync(here) });
    else if (stat.isDirectory()) entries.push({ path, kind: 'folder', mode }, ...listTree(root, path));
    else if (stat.isFile() && (stat.mode & 0o6000) === 0) {
      const bytes = readFileSync(here);
      entries.push({
        path,
        kind: 'file',
        mode,
        sha256: createHash('sha256').update(bytes).digest('hex'),
        bytes: bytes.length,
      });
    } else throw new Error(`${path} is not a plain file, folder or link, or is setuid`);
  }
  return entries;
}
