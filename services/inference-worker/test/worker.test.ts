import { createHash, randomBytes } from 'node:crypto';
import { chmodSync, closeSync, openSync, readdirSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readAuditLog } from '@secai/audit';
import type { Model, Problem } from '@secai/contracts';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { verifies } from '../../../tests/claims.ts';
import { call, ServiceProcess } from '../../registry/test/support/process.ts';
import { type PromotedModels, promotedModels } from './support/promoted.ts';

const MODEL = fileURLToPath(new URL('../../../.cache/models/SmolLM2-135M-Instruct.Q4_1.gguf', import.meta.url));
const capital = [
  { role: 'system', content: 'Be brief.' },
  { role: 'user', content: 'What is the capital of France?' },
];
const counting = {
  messages: [{ role: 'user', content: 'Count from one to a thousand.' }],
  max_tokens: 900,
  stream: true,
};

let bench: PromotedModels;
let worker: ServiceProcess<'inference-worker'>;
let smol: Model;

function ask(body: object, init: RequestInit = {}): Promise<Response> {
  return fetch(`${worker.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${worker.environment.tokenOf('ui')}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
    ...init,
  });
}

async function content(body: object): Promise<string> {
  const answer = (await (await ask(body)).json()) as { choices: { message: { content: string } }[] };
  return answer.choices[0]!.message.content;
}

const paris = { model: 'smol', messages: capital, temperature: 0, max_tokens: 12 };
const status = () => worker.client('ui').status();

async function until(what: string, condition: () => Promise<boolean>, deadlineMs = 10_000): Promise<void> {
  const end = performance.now() + deadlineMs;
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`not within ${deadlineMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

async function problemOf(response: Response): Promise<{ status: number; code: string; detail: string }> {
  return { ...((await response.json()) as { code: string; detail: string }), status: response.status };
}

/** Process ids of engines, found by their socket's folder in /proc. */
function engines(): number[] {
  const marker = join(worker.environment.dir, 'state', 'run');
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes(marker);
      } catch {
        return false;
      }
    })
    .map(Number);
}

verifies(['boundary.execution'], 'inference-worker', () => {
  beforeAll(async () => {
    bench = await promotedModels();
    smol = await bench.promote('smol', readFileSync(MODEL));
    worker = await ServiceProcess.start('inference-worker', [bench.registry, bench.policyEngine], {
      SECAI_DIR_MODELS: bench.folder,
      SECAI_LLAMA_SERVER: 'none',
      SECAI_ENGINE_THREADS: '1',
    });
  });
  afterAll(async () => {
    await worker?.remove();
    await bench?.remove();
  });

  it('lists what the registry allows and loads on the first request', async () => {
    expect(await worker.client('ui').models()).toMatchObject({
      object: 'list',
      data: [{ id: 'smol', object: 'model' }],
    });
    expect(await status()).toMatchObject({ state: 'idle', model: null, engine: null });
    expect(await content(paris)).toBe('The capital of France is Paris.');
    const loaded = await status();
    expect(loaded).toMatchObject({ state: 'ready', model: 'smol', sha256: smol.sha256, engine: 'node-llama-cpp' });
    expect(loaded).toMatchObject({ context_length: 1024, slots: { total: 2, busy: 0, queued: 0 } });
    expect(loaded.isolation).toContain('no network');
  });

  it('streams as the engine does, and refuses in OpenAI shape what the engine refuses', async () => {
    const response = await ask({ ...paris, stream: true, stream_options: { include_usage: true } });
    expect(response.headers.get('content-type')).toContain('text/event-stream');
    const events = (await response.text()).trim().split('\n\n');
    expect(events.at(-1)).toBe('data: [DONE]');
    expect(JSON.parse(events.at(-2)!.slice(6)).usage.completion_tokens).toBeGreaterThan(3);
    const refused = await ask({ ...paris, n_discard: -1 });
    expect(refused.status).toBe(400);
    expect(await refused.json()).toMatchObject({ error: { code: 'unknown_parameter', param: 'n_discard' } });
  });

  it('serves text completions and embeddings', async () => {
    const headers = { 'content-type': 'application/json' };
    const completion = { model: 'smol', prompt: 'One, two, three,', temperature: 0, max_tokens: 2 };
    const init = { method: 'POST', headers, body: JSON.stringify(completion) };
    const completed = await call(worker, 'ui', '/v1/completions', init);
    expect(completed).toMatchObject({ status: 200, body: { object: 'text_completion' } });
    const embedding = JSON.stringify({ model: 'smol', input: 'sea' });
    const embedded = await call(worker, 'ui', '/v1/embeddings', { method: 'POST', headers, body: embedding });
    expect(embedded).toMatchObject({ status: 200, body: { object: 'list' } });
  });

  it.each([
    ['no model named', { messages: capital }, 400, 'invalid_field'],
    ['a name that is none', { ...paris, model: '../etc' }, 400, 'invalid_field'],
    ['a model that nobody promoted', { ...paris, model: 'other' }, 404, 'not_found'],
  ])('refuses %s', async (_what, body, expected, code) => {
    expect(await problemOf(await ask(body))).toMatchObject({ status: expected, code });
  });

  it('refuses malformed bodies and missing scopes', async () => {
    const duplicate = '{"model":"smol","model":"smol","messages":[]}';
    expect(await problemOf(await ask({}, { body: duplicate }))).toMatchObject({ status: 400, code: 'duplicate_key' });
    const operator = { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(paris) };
    expect(await call(worker, 'operator', '/v1/chat/completions', operator)).toMatchObject({ status: 403 });
  });

  it('ends the generation of a client that leaves', async () => {
    const gone = new AbortController();
    const response = await ask({ ...counting, model: 'smol' }, { signal: gone.signal });
    await response.body!.getReader().read();
    expect((await status()).slots.busy).toBe(1);
    gone.abort();
    await until('the slot is free', async () => (await status()).slots.busy === 0, 2000);
  });

  it('swaps models when another is asked, after the running requests', async () => {
    // The same weights under another digest: bytes behind the last tensor.
    await bench.promote('twin', Buffer.concat([readFileSync(MODEL), randomBytes(32)]));
    const first = await ask({ ...counting, model: 'smol', max_tokens: 40 });
    const swapped = content({ ...paris, model: 'twin' });
    const back = content(paris);
    const running = await first.text();
    expect(running.trim().endsWith('data: [DONE]')).toBe(true);
    expect(await swapped).toBe('The capital of France is Paris.');
    expect(await back).toBe('The capital of France is Paris.');
    expect(await status()).toMatchObject({ model: 'smol', state: 'ready' });
    expect(new Set(engines()).size).toBeGreaterThan(0);
  });

  it('says why the engine is gone and starts it again with the next request', async () => {
    const response = await ask({ ...counting, model: 'smol' });
    const reader = response.body!.getReader();
    await reader.read();
    for (const pid of engines()) process.kill(pid, 'SIGKILL');
    let rest = '';
    for (let part = await reader.read(); !part.done; part = await reader.read()) rest += Buffer.from(part.value);
    const last = rest.trim().split('\n\n').at(-1)!;
    expect(JSON.parse(last.slice(6))).toMatchObject({ error: { code: 'engine_failed' } });
    expect(await status()).toMatchObject({ state: 'failed', model: null, detail: expect.stringContaining('smol') });
    expect(await content(paris)).toBe('The capital of France is Paris.');
  });

  it('answers 503 when the engine dies before the first byte', async () => {
    const [a, b] = [await ask({ ...counting, model: 'smol' }), await ask({ ...counting, model: 'smol' })];
    const waiting = ask(paris);
    await until('it waits', async () => (await status()).slots.queued === 1);
    for (const pid of engines()) process.kill(pid, 'SIGKILL');
    expect(await problemOf(await waiting)).toMatchObject({ status: 503, code: 'engine_failed' });
    await Promise.all([a.text(), b.text()]);
    expect(await content(paris)).toBe('The capital of France is Paris.');
  });

  it('refuses a model from the moment it is taken out of use', async () => {
    const gone = await bench.promote('gone', randomBytes(4096));
    await bench.registry.client('ui').remove({ params: { name: gone.name } });
    expect(await problemOf(await ask({ ...paris, model: 'gone' }))).toMatchObject({ status: 404 });
  });

  it('unloads, and loads by request', async () => {
    expect(await worker.client('ui').unload()).toMatchObject({ state: 'idle', model: null });
    expect(engines()).toEqual([]);
    const client = worker.client('ui', 60_000);
    expect(await client.load({ body: { model: 'smol' } })).toMatchObject({ state: 'ready', model: 'smol' });
  });

  it('refuses a file that is not the promoted one, loaded or not', async () => {
    const path = join(bench.folder, smol.file);
    chmodSync(path, 0o644);
    const file = openSync(path, 'r+');
    writeSync(file, Buffer.from([0xff]), 0, 1, 50_000_000);
    closeSync(file);
    expect(`sha256:${createHash('sha256').update(readFileSync(path)).digest('hex')}`).not.toBe(smol.sha256);
    const refused = await problemOf(await ask(paris));
    expect(refused).toMatchObject({ status: 422, code: 'integrity_mismatch' });
    expect(refused.detail).toContain('smol');
    expect(await status()).toMatchObject({ state: 'failed', model: null });
    expect(engines()).toEqual([]);
  });

  it('refuses what the engine cannot read, with its reason', async () => {
    await bench.promote('garbage', Buffer.concat([Buffer.from('GGUF'), randomBytes(4096)]));
    const refused: Problem = await worker
      .client('ui', 60_000)
      .load({ body: { model: 'garbage' } })
      .then(
        () => expect.fail('it was loaded'),
        (error: Problem) => error,
      );
    expect(refused.code).toBe('engine_failed');
    expect(refused.message).toContain('does not accept this model');
  });

  it('records loads and refusals, stays small and leaves no engine when it is killed', async () => {
    await content({ ...paris, model: 'twin' });
    // Without the pages of the node binary, which all services share; the model and its caches are the engine's.
    const own = /^RssAnon:\s+(\d+) kB/m.exec(readFileSync(`/proc/${worker.pid}/status`, 'utf8'))![1];
    expect(Number(own) / 1024).toBeLessThan(90);
    expect(engines().length).toBeGreaterThan(0);
    await worker.end('SIGKILL');
    await until('the engine is gone', async () => engines().length === 0);
    const events: Record<string, unknown>[] = [];
    for await (const record of readAuditLog({ dir: join(worker.environment.dir, 'audit') })) events.push(record);
    expect(events).toContainEqual(expect.objectContaining({ event: 'model_load', model: 'smol', sha256: smol.sha256 }));
    expect(events).toContainEqual(expect.objectContaining({ event: 'model_refused', model: 'garbage' }));
  });
});
