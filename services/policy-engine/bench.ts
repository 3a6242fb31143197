/**
 * Measures decisions: in process, over HTTP at 200 requests a second, and in batches as fast as they go, all with 100
 * rules of the user's own and durable records. Run: `node services/policy-engine/bench.ts [--json]`.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { Agent, request } from 'node:http';
import { fileURLToPath } from 'node:url';
import { type DecisionRequest, policyDomain } from '@secai/contracts';
import { startService } from '@secai/kit';
import { testEnvironment } from '@secai/kit/testing';
import { loadWith, readShipped } from './src/book.ts';
import { policyEngineService } from './src/service.ts';
import { decisions } from './test/decisions.ts';

const RATE = 200;
const SECONDS = 5;
const BATCH = 64;
const userRules = Array.from(
  { length: 100 },
  (_, index) => `@id("mine-${index}")
@reason("Mine.")
forbid (principal, action, resource == Tool::"tool.${index}") when { context.effect == Effect::"write" };`,
).join('\n');

if (process.argv[2] === 'serve') await serve();
else await main();

/** The service in a process of its own; tells its parent where it listens. */
async function serve(): Promise<void> {
  const environment = await testEnvironment('policy-engine');
  const service = await startService(policyEngineService, { env: environment.env });
  process.send!({ url: service.url, token: environment.tokenOf('ui') });
  for (;;) {
    const [message] = await once(process, 'message');
    const { user, system } = process.cpuUsage();
    process.send!({ rss: process.memoryUsage.rss(), cpu: (user + system) / 1e6 } satisfies Usage);
    if (message === 'stop') break;
  }
  await service.stop();
  await environment.remove();
  process.disconnect();
}

/** Of the service's process: memory in bytes, processor time in seconds. */
interface Usage {
  rss: number;
  cpu: number;
}

async function main(): Promise<void> {
  const rows: [what: string, value: string, target: string][] = [];
  for (const [domain, [p50, p99]] of await inProcess())
    rows.push([
      `${domain}: evaluation p50 / p99`,
      `${p50} / ${p99} µs`,
      domain === 'tool_access' ? 'p50 ≤ 100 µs' : '',
    ]);
  const child = fork(fileURLToPath(import.meta.url), ['serve']);
  const [{ url, token }] = (await once(child, 'message')) as [{ url: string; token: string }];
  const usage = async (message = 'usage'): Promise<Usage> => {
    child.send(message);
    const [answer] = await once(child, 'message');
    return answer as Usage;
  };
  const atRest = await usage();
  const post = poster(url, token);
  await post('PUT', '/v1/policies/tool_access', { text: userRules });
  await throughput(post, 2);
  const [p50, p99] = await latency(post);
  rows.push([`POST /v1/decide at ${RATE}/s, p50 / p99`, `${p50} / ${p99} µs`, 'p50 ≤ 1000, p99 ≤ 5000 µs']);
  const before = await usage();
  const { done, rate } = await throughput(post, SECONDS);
  const after = await usage('stop');
  rows.push([`batches of ${BATCH}, decisions a second`, String(rate), '≥ 8000']);
  rows.push(['the same for a second of processor time', String(Math.round(done / (after.cpu - before.cpu))), '≥ 8000']);
  rows.push([
    'memory at rest / under load (RSS)',
    `${megabytes(atRest.rss)} / ${megabytes(after.rss)} MB`,
    '≤ 90 MB at rest',
  ]);
  await once(child, 'exit');
  if (process.argv.includes('--json')) console.log(JSON.stringify(rows));
  else for (const [what, value, target] of rows) console.log(`${what.padEnd(48)} ${value.padEnd(20)} ${target}`);
}

/** Different inputs each time, so that nothing can be remembered. */
function* inputs(rows = decisions.map((row) => row.input)): Generator<DecisionRequest> {
  for (let index = 0; ; index++) {
    const input = rows[index % rows.length]!;
    yield input.domain === 'tool_access' ? { ...input, resource: `tool.${index % 1000}` } : input;
  }
}

async function inProcess(): Promise<[string, [number, number]][]> {
  const shipped = await readShipped(fileURLToPath(new URL('policies', import.meta.url)));
  return policyDomain.options.map((name) => {
    using domain = loadWith(name, shipped[name], name === 'tool_access' ? userRules : '');
    const rows = decisions.filter((row) => row.input.domain === name && row.policies.length > 0);
    const times: number[] = [];
    let count = 0;
    for (const { domain: _, ...input } of inputs(rows.map((row) => row.input))) {
      const started = performance.now();
      domain.decide(input);
      times.push((performance.now() - started) * 1000);
      if (++count === 8000) break;
    }
    return [name, percentiles(times.slice(2000))];
  });
}

type Post = (method: string, path: string, body: unknown) => Promise<void>;

function poster(url: string, token: string): Post {
  const agent = new Agent({ keepAlive: true });
  return async (method, path, body) => {
    const text = JSON.stringify(body);
    const sent = request(url + path, {
      agent,
      method,
      headers: {
        authorization: `Bearer ${token}`,
        'content-type': 'application/json',
        'content-length': Buffer.byteLength(text),
      },
    });
    sent.end(text);
    const [response] = await once(sent, 'response');
    response.resume();
    await once(response, 'end');
    if (response.statusCode !== 200) throw new Error(`${method} ${path}: ${response.statusCode}`);
  };
}

/** Open loop: requests leave on time whether or not earlier ones were answered, and latency counts from that time. */
async function latency(post: Post): Promise<[number, number]> {
  const source = inputs();
  const times: number[] = [];
  const pending: Promise<void>[] = [];
  const began = performance.now();
  for (let index = 0; index < RATE * SECONDS; index++) {
    const due = began + (index * 1000) / RATE;
    const wait = due - performance.now();
    if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
    const started = performance.now();
    const answered = post('POST', '/v1/decide', source.next().value);
    pending.push(answered.then(() => void times.push((performance.now() - started) * 1000)));
  }
  await Promise.all(pending);
  return percentiles(times);
}

async function throughput(post: Post, seconds: number): Promise<{ done: number; rate: number }> {
  const source = inputs();
  const began = performance.now();
  let done = 0;
  const worker = async (): Promise<void> => {
    while (performance.now() - began < seconds * 1000) {
      const requests = Array.from({ length: BATCH }, () => source.next().value);
      await post('POST', '/v1/decide/batch', { requests });
      done += BATCH;
    }
  };
  await Promise.all([worker(), worker()]);
  return { done, rate: Math.round(done / ((performance.now() - began) / 1000)) };
}

function megabytes(bytes: number): number {
  return Math.round(bytes / 1024 / 1024);
}

function percentiles(times: number[]): [number, number] {
  times.sort((a, b) => a - b);
  const at = (share: number): number => Math.round(times[Math.floor(times.length * share)]!);
  return [at(0.5), at(0.99)];
}
