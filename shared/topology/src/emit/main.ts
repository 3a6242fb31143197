/** Writes everything that is made from the topology: `node shared/topology/src/emit/main.ts [--check]`. --check changes nothing and fails on a difference. */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { emittedFiles, emittedFolders } from './files.ts';

const repository = fileURLToPath(new URL('../../../..', import.meta.url));

/** Paths whose committed content is not what the topology says: changed, missing or left over. */
export function differences(root: string = repository): string[] {
  const files = emittedFiles();
  const wrong = [...files].filter(
    ([path, text]) => !existsSync(join(root, path)) || readFileSync(join(root, path), 'utf8') !== text,
  );
  return [...wrong.map(([path]) => path), ...leftOver(root, files)].sort();
}

/** Writes the emitted files below `root`, removes left-over ones and returns what it touched. */
export function emit(root: string = repository): string[] {
  const files = emittedFiles();
  const touched = differences(root);
  for (const path of touched) {
    const text = files.get(path);
    if (text === undefined) rmSync(join(root, path));
    else {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), text);
    }
  }
  return touched;
}

function leftOver(root: string, files: Map<string, string>): string[] {
  return emittedFolders
    .filter((folder) => existsSync(join(root, folder)))
    .flatMap((folder) => readdirSync(join(root, folder)).map((name) => `${folder}/${name}`))
    .filter((path) => !files.has(path));
}

if (import.meta.main) {
  if (process.argv.includes('--check')) {
    const wrong = differences();
    if (wrong.length > 0) {
      console.error(
        `Not what the topology says; run \`node shared/topology/src/emit/main.ts\`:\n  ${wrong.join('\n  ')}`,
      );
      process.exitCode = 1;
    }
  } else {
    for (const path of emit()) console.log(path);
  }
}
