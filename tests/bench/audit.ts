import { benchScript } from './json-script.ts';
import type { Row } from './row.ts';

export async function auditBench(): Promise<Row[]> {
  const output = await benchScript('shared/audit/bench.ts');
  return output
    .split('\n')
    .filter(Boolean)
    .map((line) => ({
      what: 'audit log',
      measured: line.trim(),
      wanted: '1 M records verified in < 5 s',
      how: 'npm run bench -- audit',
    }));
}
