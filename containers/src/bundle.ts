import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import { cacheFolder, repository } from './paths.ts';

export interface Bundle {
  /** Folder that becomes /app. */
  folder: string;
  /** npm packages inside the bundle, `name@version`. */
  npmPackages: { name: string; version: string; license: string }[];
}

/** Data folders of a service that travel with its bundle; they keep their place relative to src/, so `new URL('../policies/', import.meta.url)` works in both. */
const dataFolders = ['policies', 'migrations', 'data', 'web/dist'];

/** Native engines stay outside: containers run llama-server instead, and a missing optional import is handled by the engine. */
const outside = ['node-llama-cpp', '@electric-sql/pglite', '@electric-sql/pglite-socket', 'pg-native'];

/**
 * Bundles services/<name>/src/main.ts to one ESM file (/app/src/main.js) with its data folders and the wasm files of its packages.
 * Source maps go to the cache, not into the image.
 */
export async function bundleService(name: string): Promise<Bundle> {
  const service = join(repository, 'services', name);
  const context = join(cacheFolder, 'images/context', name);
  const folder = join(context, 'app');
  rmSync(context, { recursive: true, force: true });
  mkdirSync(join(folder, 'src'), { recursive: true });
  const result = await build({
    absWorkingDir: repository,
    entryPoints: [join(service, 'src/main.ts')],
    outfile: join(folder, 'src/main.js'),
    bundle: true,
    platform: 'node',
    target: 'node24',
    format: 'esm',
    minifySyntax: true,
    minifyWhitespace: true,
    keepNames: true,
    legalComments: 'none',
    sourcemap: 'external',
    metafile: true,
    logLevel: 'silent',
    external: outside,
    // CommonJS packages inside an ESM bundle still call require() for Node's own modules.
    banner: { js: "import { createRequire as secaiRequire } from 'node:module'; const require = secaiRequire(import.meta.url);" },
  });
  const maps = join(cacheFolder, 'images/sourcemaps');
  mkdirSync(maps, { recursive: true });
  const map = join(folder, 'src/main.js.map');
  cpSync(map, join(maps, `${name}.js.map`));
  rmSync(map);
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify({ name: `@secai/${name}`, type: 'module', private: true })}\n`);
  for (const data of dataFolders) {
    const from = join(service, data);
    if (existsSync(from)) cpSync(from, join(folder, data), { recursive: true });
  }
  return { folder: context, npmPackages: packagesOf(Object.keys(result.metafile.inputs)) };
}

function packagesOf(inputs: readonly string[]): Bundle['npmPackages'] {
  const folders = new Set<string>();
  for (const input of inputs) {
    const match = /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(input);
    if (match) folders.add(match[1]!);
  }
  return [...folders].sort().map((folder) => {
    const meta = JSON.parse(readFileSync(join(repository, folder, 'package.json'), 'utf8')) as { name: string; version: string; license?: string };
    return { name: meta.name, version: meta.version, license: meta.license ?? 'NOASSERTION' };
  });
}
