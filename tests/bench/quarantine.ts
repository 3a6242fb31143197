import { benchScript } from './json-script.ts';
import type { Row } from './row.ts';

export async function quarantineBench(): Promise<Row[]> {
  const result = JSON.parse(await benchScript('shared/model-formats/bench.ts')) as {
    sha256sum_s: number[];
    scan_s: number[];
    ratio: number;
    peak_rss_mb: number;
  };
  return [
    {
      what: 'hash and scan of a 2 GB GGUF against sha256sum',
      measured: `${result.ratio} × (${result.scan_s.join(', ')} s against ${result.sha256sum_s.join(', ')} s)`,
      wanted: '≤ 1.5 ×',
      how: 'npm run bench -- quarantine',
    },
    {
      what: 'memory of that pass',
      measured: `${result.peak_rss_mb} MB`,
      wanted: '≤ 200 MB',
      how: 'npm run bench -- quarantine',
    },
  ];
}
