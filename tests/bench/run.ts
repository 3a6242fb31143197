/** `npm run bench [-- NAME…]`: measures and writes out/bench.md. Ratios against a peer or a raw floor in the same run. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { repository } from '../support/stack.ts';
import { auditBench } from './audit.ts';
import { bundleBench } from './bundle.ts';
import { chatBench } from './chat.ts';
import { policyBench } from './policy.ts';
import { quarantineBench } from './quarantine.ts';
import type { Row } from './row.ts';
import { startBench } from './start.ts';

const benches: Record<string, () => Promise<Row[]>> = {
  start: startBench,
  bundle: bundleBench,
  chat: chatBench,
  quarantine: quarantineBench,
  policy: policyBench,
  audit: auditBench,
};

const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !(name in benches));
if (unknown.length > 0)
  throw new Error(`no benchmark ${unknown.join(', ')}; choose from ${Object.keys(benches).join(', ')}`);
const rows: Row[] = [];
for (const [name, bench] of Object.entries(benches)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  console.log(`── ${name}`);
  for (const row of await bench()) {
    rows.push(row);
    console.log(`   ${row.what}: ${row.measured} (wanted ${row.wanted})`);
  }
}
const table = [
  '| what | measured | wanted | how |',
  '|---|---|---|---|',
  ...rows.map((row) => `| ${row.what} | ${row.measured} | ${row.wanted} | ${row.how} |`),
].join('\n');
await mkdir(join(repository, 'out'), { recursive: true });
await writeFile(join(repository, 'out', 'bench.md'), `${table}\n`);
console.log(`\n${table}`);
