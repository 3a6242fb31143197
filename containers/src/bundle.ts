import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { bundleService } from '../../tools/bundle.ts';
import { BuildError } from './host.ts';
import { cacheFolder, repository } from './paths.ts';

export interface AppFolder {
  /** Build context that holds `app/`, and `node_modules/` where `needsPackages`. */
  context: string;
  /** There are packages that a bundle cannot hold. */
  needsPackages: boolean;
  /** npm packages inside, `name@version`. */
  npmPackages: { name: string; version: string; license: string }[];
}

/** Data folders of a service; they keep their place relative to dist/, so `new URL('../policies', import.meta.url)` works in source and image. */
const dataFolders = ['policies', 'migrations', 'web/dist'];

/** Packages that the bundle leaves outside and that a container must have, with the files it needs of them. */
const shipped: Record<string, string[]> = { '@cedar-policy/cedar-wasm': ['package.json', 'nodejs', 'LICENSE'] };

/**
 * Makes what becomes /app of one service: dist/main.js and its child programs, data folders, and the few packages that a bundle cannot hold.
 * Source maps stay in the cache. Throws BuildError when the page of a service was not built.
 */
export async function buildApp(name: string): Promise<AppFolder> {
  const service = join(repository, 'services', name);
  const context = join(cacheFolder, 'images/context', name);
  const app = join(context, 'app');
  rmSync(context, { recursive: true, force: true });
  mkdirSync(app, { recursive: true });
  const result = await bundleService(name, join(app, 'dist'), { sourcemap: 'external' });
  const maps = Object.keys(result.metafile.outputs).filter((file) => file.endsWith('.map'));
  for (const file of maps) {
    const kept = join(cacheFolder, 'images/sourcemaps', name, file.slice(file.indexOf('/dist/') + 6));
    mkdirSync(dirname(kept), { recursive: true });
    cpSync(join(repository, file), kept);
    rmSync(join(repository, file));
  }
  writeFileSync(
    join(app, 'package.json'),
    `${JSON.stringify({ name: `@secai/${name}`, type: 'module', private: true })}\n`,
  );
  if (existsSync(join(service, 'web')) && !existsSync(join(service, 'web/dist/index.html'))) {
    throw new BuildError('command_failed', `services/${name}/web/dist is missing; run npm run build first`);
  }
  for (const data of dataFolders) {
    if (existsSync(join(service, data))) cpSync(join(service, data), join(app, data), { recursive: true });
  }
  const outside = new Set(
    Object.values(result.metafile.outputs).flatMap((output) =>
      output.imports.filter((one) => one.external).map((one) => one.path),
    ),
  );
  const taken = Object.keys(shipped).filter((pack) =>
    [...outside].some((path) => path === pack || path.startsWith(`${pack}/`)),
  );
  for (const pack of taken) {
    for (const file of shipped[pack]!) {
      const from = join(repository, 'node_modules', pack, file);
      if (existsSync(from)) cpSync(from, join(context, 'node_modules', pack, file), { recursive: true });
    }
  }
  const inputs = [...Object.keys(result.metafile.inputs), ...taken.map((pack) => `node_modules/${pack}/`)];
  return { context, needsPackages: taken.length > 0, npmPackages: packagesOf(inputs) };
}

function packagesOf(inputs: readonly string[]): AppFolder['npmPackages'] {
  const folders = new Set<string>();
  for (const input of inputs) {
    const match = /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(input);
    if (match) folders.add(match[1]!);
  }
  return [...folders].sort().map((folder) => {
    const meta = JSON.parse(readFileSync(join(repository, folder, 'package.json'), 'utf8')) as {
      name: string;
      version: string;
      license?: string;
    };
    return { name: meta.name, version: meta.version, license: meta.license ?? 'NOASSERTION' };
  });
}
