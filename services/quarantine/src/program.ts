import { extname, join, resolve } from 'node:path';

export interface Program {
  /** Arguments for Node. */
  args: string[];
  /** What a sandbox must show for the program to load. */
  readOnly: string[];
}

/**
 * How to start `src/<entry>/main` as a process of its own. From source it needs the packages it imports; a bundle
 * (`main.js` at the same place) needs nothing but itself.
 */
export function ownProgram(entry: string): Program {
  const file = join(import.meta.dirname, entry, `main${extname(import.meta.filename)}`);
  if (extname(file) !== '.ts') return { args: [file], readOnly: [file] };
  const service = resolve(import.meta.dirname, '..');
  const root = resolve(service, '../..');
  const shown = ['node_modules/@secai', 'node_modules/@huggingface', 'shared'].map((path) => join(root, path));
  return { args: [file], readOnly: [...shown, import.meta.dirname, join(service, 'package.json')] };
}
