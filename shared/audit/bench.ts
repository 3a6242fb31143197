/**
 * Measures the audit log on this machine: `node shared/audit/bench.ts [records]` (default 1,000,000; at least 118,800).
 * Prints one JSON object: append latency and throughput at several concurrencies, opening, verifying, proofs.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generateSigningKey } from '@secai/signing';
import { openAuditLog, verifyAuditLog } from './src/index.ts';

const RECORDS = Number(process.argv[2] ?? 1_000_000);
const origin = 'bench.secai.local';
const key = generateSigningKey();

const dir = await mkdtemp(join(tmpdir(), 'secai-audit-bench-'));
try {
  console.log(JSON.stringify(await measure(), null, 2));
} finally {
  await rm(dir, { recursive: true, force: true });
}

async function measure(): Promise<Record<string, unknown>> {
  if (!(RECORDS >= 118_800)) throw new Error('the fixed rounds alone append 118,800 records; ask for at least as many');
  const result: Record<string, unknown> = { records: RECORDS };
  const log = await open();
  result.append_alone = await appendAlone(log, 2000);
  for (const writers of [8, 64, 512]) {
    result[`append_per_s_${writers}_writers`] = await appendTogether(log, writers, writers * 200);
  }
  const rest = RECORDS - log.head().size;
  result.append_per_s_bulk = rest > 0 ? await appendTogether(log, 4096, rest) : null;
  const started = performance.now();
  for (let i = 0; i < 100; i++) await log.inclusionProof(Math.floor((i * log.head().size) / 100));
  result.inclusion_proof_ms = round((performance.now() - started) / 100);
  await log.close();
  result.verify_ms = [await verify(), await verify(), await verify()];
  const opening = performance.now();
  const again = await open();
  result.open_ms = round(performance.now() - opening);
  await again.close();
  result.rss_mib = round(process.memoryUsage().rss / 2 ** 20);
  return result;
}

function open() {
  return openAuditLog({ dir, origin, key, now: () => Date.now() });
}

function event(i: number): Record<string, unknown> {
  return {
    actor: 'policy-engine',
    event: 'decision',
    decision: 'allow',
    action: 'tool_call',
    request: `req-${i}`,
    eval_us: i % 90,
  };
}

async function appendAlone(log: Awaited<ReturnType<typeof open>>, count: number) {
  const times: number[] = [];
  for (let i = 0; i < count; i++) {
    const started = performance.now();
    await log.append(event(i));
    times.push(performance.now() - started);
  }
  times.sort((a, b) => a - b);
  return { p50_ms: round(times[Math.floor(count / 2)]!), p99_ms: round(times[Math.floor(count * 0.99)]!) };
}

/** `writers` callers, each waiting for its record before it sends the next; records per second. */
async function appendTogether(log: Awaited<ReturnType<typeof open>>, writers: number, count: number): Promise<number> {
  let next = 0;
  const started = performance.now();
  await Promise.all(
    Array.from({ length: writers }, async () => {
      while (next < count) await log.append(event(next++));
    }),
  );
  return Math.round(count / ((performance.now() - started) / 1000));
}

async function verify(): Promise<number> {
  const started = performance.now();
  const result = await verifyAuditLog({ dir, origin, publicKey: key.publicKey });
  if (!result.ok || result.size !== RECORDS) throw new Error(`the log does not verify: ${JSON.stringify(result)}`);
  return round(performance.now() - started);
}

function round(value: number): number {
  return Math.round(value * 1000) / 1000;
}
