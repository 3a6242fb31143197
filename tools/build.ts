/** Bundles the services with esbuild and the web app with Vite, each only when its inputs changed. */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { services } from '@secai/topology';
import { bundleService } from './bundle.ts';

const root = resolve(import.meta.dirname, '..');
const run = promisify(execFile);

/** Hash over paths and contents of the sources below `folders`. */
async function sourceHash(folders: string[]): Promise<string> {
  const hash = createHash('sha256').update(await readFile(join(root, 'package-lock.json')));
  for (const folder of folders) {
    const entries = await readdir(join(root, folder), { recursive: true, withFileTypes: true });
    const files = entries
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .filter((path) => !/\/(dist|node_modules|test|out)\//.test(path.slice(root.length)))
      .sort();
    for (const file of files) hash.update(`${file.slice(root.length)}\0`).update(await readFile(file));
  }
  return hash.digest('hex');
}

async function buildIfStale(folder: string, sources: string[], build: () => Promise<void>): Promise<boolean> {
  const stamp = join(root, folder, 'dist', '.source-hash');
  const wanted = await sourceHash(sources);
  if (existsSync(stamp) && (await readFile(stamp, 'utf8')) === wanted) return false;
  await build();
  await mkdir(join(root, folder, 'dist'), { recursive: true });
  await writeFile(stamp, wanted);
  return true;
}

async function buildWeb(): Promise<void> {
  await run(join(root, 'node_modules', '.bin', 'vite'), ['build', '--logLevel', 'warn'], {
    cwd: join(root, 'services', 'ui', 'web'),
  });
}

/** Brings all build products up to date. */
export async function buildAll({ quiet }: { quiet: boolean }): Promise<void> {
  const started = performance.now();
  const built: string[] = [];
  if (await buildIfStale('services/ui/web', ['services/ui/web', 'shared/contracts/src'], buildWeb))
    built.push('web app');
  for (const { name } of services) {
    const folder = join('services', name);
    const make = async (): Promise<void> => {
      await bundleService(name, join(root, folder, 'dist'));
    };
    if (await buildIfStale(folder, [join(folder, 'src'), 'shared'], make)) built.push(name);
  }
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  if (built.length > 0) console.log(`Built ${built.join(', ')} in ${seconds} s.`);
  else if (!quiet) console.log('Everything is built already.');
}

if (import.meta.main) await buildAll({ quiet: false });
