import { benchScript } from './json-script.ts';
import type { Row } from './row.ts';

export async function policyBench(): Promise<Row[]> {
  const output = await benchScript('services/policy-engine/bench.ts');
  return output
    .split('\n')
    .filter(Boolean)
    .map((line) => ({
      what: 'policy engine',
      measured: line.trim(),
      wanted: 'p50 ≤ 1 ms, p99 ≤ 5 ms, ≥ 8,000/s',
      how: 'npm run bench -- policy',
    }));
}
