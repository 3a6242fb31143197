/**
 * Measures what the ui adds to the time to first token, and its memory: `node services/ui/test/measure.ts [rounds] [bundle]`.
 * Store, policy engine, registry and ui run as processes of their own; the engine is scripted and answers at once, so
 * what is measured is the way there. Calls take turns, so that a busy machine slows all of them alike.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { Agent, type IncomingMessage, request } from 'node:http';
import { resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { PASSPHRASE, Stack } from './support/stack.ts';

const rounds = Number(process.argv[2] ?? 200);
const root = resolve(import.meta.dirname, '../../..');
const agent = new Agent({ keepAlive: true });

const stack = await Stack.start();
await stack.promote('tiny');
const owner = await stack.loggedIn();
const key = (await owner.post('/api/keys', { name: 'bench' })).json['secret'] as string;
await stack.ui.stop();
const child = spawn(
  process.execPath,
  ['--max-semi-space-size=1', process.argv[3] ?? resolve(root, 'services/ui/src/main.ts')],
  {
    env: { PATH: process.env['PATH'], ...stack.environment.env, SECAI_LISTEN: '127.0.0.1:0', SECAI_LOG_LEVEL: 'info' },
    stdio: ['ignore', 'pipe', 'inherit'],
  },
);
const url = `http://127.0.0.1:${await portOf(child)}`;
const { cookie, csrf } = await logIn(url);

const body = { model: 'tiny', messages: [{ role: 'user', content: 'hi' }], stream: true };
const ways: Record<string, () => Promise<number>> = {
  direct: () => firstToken(`${stack.engine.url}/v1/chat/completions`, {}, body),
  api: () => firstToken(`${url}/v1/chat/completions`, { authorization: `Bearer ${key}` }, body),
  page: async () => {
    const headers = { cookie, 'x-secai-csrf': csrf };
    const { id } = JSON.parse(await text(await call(`${url}/api/chats`, headers, {}))) as { id: string };
    const question = { content: 'hi', parent_id: null, model: 'tiny' };
    return firstToken(`${url}/api/chats/${id}/messages`, headers, question, 'event: delta');
  },
};
const times: Record<string, number[]> = {};
for (let round = -20; round < rounds; round++)
  for (const [way, measure] of Object.entries(ways)) {
    const ms = await measure();
    times[way] ??= [];
    if (round >= 0) times[way].push(ms);
  }
for (const [way, list] of Object.entries(times)) {
  const sorted = list.toSorted((a, b) => a - b);
  const at = (part: number) => sorted[Math.floor(part * (sorted.length - 1))]!.toFixed(2);
  console.log(`${way.padEnd(7)} p50 ${at(0.5)} ms   p90 ${at(0.9)} ms   p99 ${at(0.99)} ms`);
}
const status = await readFile(`/proc/${child.pid}/status`, 'utf8');
for (const name of ['VmRSS', 'RssAnon', 'RssFile'])
  console.log(status.split('\n').find((line) => line.startsWith(name)));
child.kill();
await once(child, 'exit');
await stack.stop();
agent.destroy();

async function portOf(service: ChildProcess): Promise<number> {
  for await (const line of createInterface({ input: service.stdout! })) {
    const event = JSON.parse(line) as { event?: string; port?: number };
    if (event.event === 'ready') {
      service.stdout!.resume();
      return event.port!;
    }
  }
  throw new Error('the ui did not start');
}

async function logIn(base: string): Promise<{ cookie: string; csrf: string }> {
  const res = await call(`${base}/api/login`, {}, { passphrase: PASSPHRASE });
  const { csrf_token } = JSON.parse(await text(res)) as { csrf_token: string };
  return { cookie: res.headers['set-cookie']![0]!.split(';')[0]!, csrf: csrf_token };
}

async function call(to: string, headers: Record<string, string>, json: object): Promise<IncomingMessage> {
  const req = request(to, { method: 'POST', agent, headers: { 'content-type': 'application/json', ...headers } });
  req.end(JSON.stringify(json));
  const [res] = (await once(req, 'response')) as [IncomingMessage];
  if (res.statusCode! >= 400) throw new Error(`${to}: ${res.statusCode} ${await text(res)}`);
  return res;
}

async function text(res: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of res) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

/** Milliseconds from the request to the first text of the answer. */
async function firstToken(
  to: string,
  headers: Record<string, string>,
  json: object,
  mark = '"content":"hello"',
): Promise<number> {
  const started = performance.now();
  const res = await call(to, headers, json);
  let first = 0;
  let seen = '';
  for await (const chunk of res) {
    if (first > 0) continue;
    seen += chunk;
    if (seen.includes(mark)) first = performance.now() - started;
  }
  return first;
}
