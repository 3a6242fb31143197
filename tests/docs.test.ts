import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { problemCatalogue } from '@secai/contracts';
import { describe, expect, it } from 'vitest';
import { repository } from './support/stack.ts';

const read = (path: string): string => readFileSync(join(repository, path), 'utf8');

function manifests(): string[] {
  const below = (folder: string): string[] =>
    readdirSync(join(repository, folder)).map((name) => `${folder}/${name}/package.json`);
  return ['package.json', 'services/ui/web/package.json', ...below('shared'), ...below('services')];
}

describe('docs', () => {
  it('give a reason for every dependency and for nothing else', () => {
    const used = new Set<string>();
    for (const path of manifests()) {
      const {
        dependencies = {},
        devDependencies = {},
        optionalDependencies = {},
      } = JSON.parse(read(path)) as Record<string, Record<string, string>>;
      for (const [name, version] of Object.entries({ ...dependencies, ...devDependencies, ...optionalDependencies })) {
        expect(version, `${path}: ${name} is pinned exactly`).toMatch(/^\d+\.\d+\.\d+$/);
        if (!name.startsWith('@secai/')) used.add(name);
      }
    }
    const documented = [...read('docs/dependencies.md').matchAll(/^\| (`[^|]+) \|/gm)].flatMap(([, cell]) =>
      [...cell!.matchAll(/`([^`]+)`/g)].map(([, name]) => name!),
    );
    expect(documented.sort()).toEqual([...used].sort());
  });

  it('are not needed to know what a workspace imports: its manifest says so', () => {
    for (const path of manifests().filter((one) => one !== 'package.json' && !one.includes('/web/'))) {
      const folder = path.slice(0, -'/package.json'.length);
      const manifest = JSON.parse(read(path)) as { name: string; dependencies?: Record<string, string> };
      const imported = new Set<string>();
      for (const file of readdirSync(join(repository, folder, 'src'), { recursive: true, encoding: 'utf8' }).filter(
        (name) => name.endsWith('.ts'),
      )) {
        for (const [, source] of read(`${folder}/src/${file}`).matchAll(
          /^(?:import|export)\s[^'"]*?from '([^']+)'/gms,
        )) {
          if (source!.startsWith('.') || source!.startsWith('node:')) continue;
          imported.add(
            source!
              .split('/')
              .slice(0, source!.startsWith('@') ? 2 : 1)
              .join('/'),
          );
        }
      }
      expect(Object.keys(manifest.dependencies ?? {}).sort(), path).toEqual(
        [...imported].filter((name) => name !== manifest.name).sort(),
      );
    }
  });

  it('mirror the catalogue of problems', () => {
    const rows = [...read('docs/problems.md').matchAll(/^\| `(\w+)` \| (\d{3}) \| (.+) \|$/gm)].map(
      ([, code, status, title]) => [code, Number(status), title],
    );
    expect(rows).toEqual(Object.entries(problemCatalogue).map(([code, { status, title }]) => [code, status, title]));
  });

  it('name places that exist in AGENTS.md', () => {
    const places = [
      ...read('AGENTS.md').matchAll(
        /`((?:shared|services|tests|docs|tools|containers|quadlets|netns|image)\/[\w./-]+)`/g,
      ),
    ].map(([, path]) => path!);
    expect(places.length).toBeGreaterThan(10);
    for (const path of places)
      expect(() => readdirSync(join(repository, path, path.includes('.') ? '..' : '')), path).not.toThrow();
  });
});
