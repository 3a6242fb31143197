import { existsSync } from 'node:fs';
import { dirname, extname, join, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

/** `.ts` from source; `.js` when a service was bundled, with the host's own bundle at the same place beside it. */
const extension = extname(import.meta.filename);

/** The engine process's entry point. */
export const HOST_MAIN = join(import.meta.dirname, 'host', `main${extension}`);

/** Folders of the code that the engine process runs: its bundle, or this package and its own packages, and node_modules. */
export function codeFolders(): string[] {
  const engine = fileURLToPath(import.meta.resolve('node-llama-cpp'));
  const modules = engine.slice(0, engine.lastIndexOf(`${sep}node_modules${sep}`) + sep.length + 'node_modules'.length);
  if (extension !== '.ts') return [dirname(HOST_MAIN), modules];
  const json = packageFolder(fileURLToPath(import.meta.resolve('@secai/json')));
  return [...new Set([dirname(import.meta.dirname), json, modules])];
}

function packageFolder(file: string): string {
  for (let folder = dirname(file); folder !== dirname(folder); folder = dirname(folder)) {
    if (existsSync(join(folder, 'package.json'))) return folder;
  }
  return dirname(file);
}
