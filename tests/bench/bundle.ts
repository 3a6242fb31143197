import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { repository } from '../support/stack.ts';
import type { Row } from './row.ts';

/** What the browser loads for the first view: index.html and what it names. */
export async function bundleBench(): Promise<Row[]> {
  const dist = join(repository, 'services/ui/web/dist');
  const html = await readFile(join(dist, 'index.html'), 'utf8');
  const named = [...html.matchAll(/(?:src|href)="\/([^"]+\.(?:js|css))"/g)].map(([, path]) => path!);
  const size = async (path: string): Promise<number> => gzipSync(await readFile(join(dist, path))).length;
  const first = (await Promise.all(named.map(size))).reduce((a, b) => a + b, gzipSync(html).length);
  const assets = (await readdir(join(dist, 'assets'))).filter((name) => /\.(js|css)$/.test(name));
  const all = (await Promise.all(assets.map((name) => size(join('assets', name))))).reduce((a, b) => a + b, 0);
  const kb = (n: number): string => `${Math.round(n / 1000)} kB`;
  return [
    {
      what: 'first view of the page, gzipped',
      measured: `${kb(first)} (with all lazy parts ${kb(all)})`,
      wanted: '≤ 350 kB',
      how: 'npm run bench -- bundle',
    },
  ];
}
