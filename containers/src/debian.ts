import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run, runForBytes } from './host.ts';
import { cacheFolder } from './paths.ts';

export interface DebianPackage {
  name: string;
  version: string;
  architecture: string;
  sha256: string;
}

export interface DebianRoot {
  /** Folder with the packages unpacked, no maintainer script run. */
  root: string;
  packages: DebianPackage[];
  /** Path inside the root (without leading slash) → name of the package that brought it. */
  owners: Map<string, string>;
}

export interface DebianRequest {
  suite: 'trixie' | 'forky';
  packages: readonly string[];
  /** Fetch again although the cache has it. */
  fresh?: boolean;
}

// forky's index is older than its own Valid-Until in mirrors that lag; its signature is still checked.
const aptOptions = ['--aptopt=Acquire::Check-Valid-Until "false"'];

/**
 * Unpacks Debian packages and all they depend on into a folder, after apt verified their signatures.
 * Kept in the cache under the request. Throws BuildError when apt cannot get them.
 */
export function debianRoot({ suite, packages, fresh = false }: DebianRequest): DebianRoot {
  const key = createHash('sha256')
    .update(JSON.stringify([suite, packages]))
    .digest('hex')
    .slice(0, 16);
  const folder = join(cacheFolder, 'debian', `${suite}-${key}`);
  const index = join(folder, 'index.json');
  if (fresh) rmSync(folder, { recursive: true, force: true });
  if (!existsSync(index)) {
    const work = `${folder}.new`;
    rmSync(work, { recursive: true, force: true });
    mkdirSync(work, { recursive: true });
    const root = join(work, 'root');
    run('mmdebstrap', [
      '--variant=extract',
      '--skip=cleanup/apt',
      ...aptOptions,
      `--include=${packages.join(',')}`,
      suite,
      root,
    ]);
    const archives = join(root, 'var/cache/apt/archives');
    const found: DebianPackage[] = [];
    const owners: [string, string][] = [];
    for (const file of readdirSync(archives)
      .filter((name) => name.endsWith('.deb'))
      .sort()) {
      const archive = join(archives, file);
      const [name = '', version = '', architecture = ''] = run('dpkg-deb', [
        '--show',
        // biome-ignore lint/suspicious/noTemplateCurlyInString: placeholders of dpkg-deb
        '--showformat=${Package}\n${Version}\n${Architecture}',
        archive,
      ]).split('\n');
      found.push({
        name,
        version,
        architecture,
        sha256: createHash('sha256').update(readFileSync(archive)).digest('hex'),
      });
      const listing = run('tar', ['-tf', '-'], { input: runForBytes('dpkg-deb', ['--fsys-tarfile', archive]) });
      for (const path of listing.split('\n'))
        if (path && !path.endsWith('/')) owners.push([path.replace(/^\.\//, ''), name]);
    }
    rmSync(archives, { recursive: true, force: true });
    writeFileSync(join(work, 'index.json'), JSON.stringify({ packages: found, owners }));
    rmSync(folder, { recursive: true, force: true });
    renameSync(work, folder);
  }
  const stored = JSON.parse(readFileSync(index, 'utf8')) as { packages: DebianPackage[]; owners: [string, string][] };
  return { root: join(folder, 'root'), packages: stored.packages, owners: new Map(stored.owners) };
}

/** Packages that own at least one of the files (paths inside the root, no leading slash). */
export function packagesWith(debian: DebianRoot, files: readonly string[]): DebianPackage[] {
  // Some packages still list /lib/… for what unpacks to /usr/lib/….
  const owners = new Set(
    files.flatMap((file) => [debian.owners.get(file), debian.owners.get(file.replace(/^usr\//, ''))]),
  );
  return debian.packages.filter((one) => owners.has(one.name));
}
