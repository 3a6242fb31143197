import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { type BuildResult, build } from 'esbuild';

const root = resolve(import.meta.dirname, '..');

/** Packages with files beside their code (wasm, native addons) are loaded from node_modules, or are not used in containers. */
const outside = ['node-llama-cpp', '@electric-sql/pglite', '@cedar-policy/cedar-wasm', 'pg-native'];

/**
 * Entry points of a service by their place in the bundle's folder: `main`, and `<child>/main` for each program that the
 * service starts as a child (its own `src/<child>/main.ts`, and the engine's host where it uses the engine).
 * A child is found by `new URL('./<child>/main' + extension, import.meta.url)`, which fits source and bundle.
 */
export function entriesOf(service: string): Record<string, string> {
  const entries: Record<string, string> = { main: join(root, 'services', service, 'src/main.ts') };
  const scanner = join(root, 'services', service, 'src/scanner/main.ts');
  if (existsSync(scanner)) entries['scanner/main'] = scanner;
  if (service === 'quarantine' || service === 'inference-worker')
    entries['host/main'] = join(root, 'shared/engine/src/host/main.ts');
  return entries;
}

/** Bundles a service's entries into `outdir` as ESM for the pinned Node. Throws with esbuild's messages. */
export function bundleService(
  service: string,
  outdir: string,
  options: { sourcemap: 'inline' | 'external' | false } = { sourcemap: false },
): Promise<BuildResult<{ metafile: true }>> {
  return build({
    absWorkingDir: root,
    entryPoints: entriesOf(service),
    outdir,
    bundle: true,
    platform: 'node',
    target: 'node24',
    format: 'esm',
    minifySyntax: true,
    minifyWhitespace: true,
    keepNames: true,
    legalComments: 'none',
    sourcemap: options.sourcemap,
    metafile: true,
    logLevel: 'warning',
    external: outside,
    // CommonJS packages inside an ESM bundle still call require() for Node's own modules.
    banner: {
      js: "import { createRequire as secaiRequire } from 'node:module'; const require = secaiRequire(import.meta.url);",
    },
  });
}
