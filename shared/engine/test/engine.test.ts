import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { send } from '../src/http.ts';
import { type Engine, type EngineOptions, type EngineRequestOptions, RequestError, spawnEngine } from '../src/index.ts';

const MODEL = fileURLToPath(new URL('../../../.cache/models/SmolLM2-135M-Instruct.Q4_1.gguf', import.meta.url));
const CHAT = '/v1/chat/completions';
const capital = [
  { role: 'system', content: 'Be brief.' },
  { role: 'user', content: 'What is the capital of France?' },
];
const long = { messages: [{ role: 'user', content: 'Count from one to a thousand.' }], max_tokens: 900, stream: true };

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'secai-engine-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function start(options: Partial<EngineOptions> = {}): Promise<Engine> {
  const base = { modelPath: MODEL, socketDir: folder, llamaServer: null, contextSize: 1024, threads: 1 };
  return spawnEngine({ ...base, ...options });
}

async function text(response: IncomingMessage): Promise<string> {
  let all = '';
  for await (const chunk of response.setEncoding('utf8') as AsyncIterable<string>) all += chunk;
  return all;
}

interface Answer {
  choices: {
    message: { content: string; tool_calls?: { function: { name: string; arguments: string } }[] };
    text: string;
    finish_reason: string;
  }[];
  usage: { prompt_tokens: number; completion_tokens: number; prompt_tokens_details: { cached_tokens: number } };
  data: { embedding: number[] | string }[];
  error: { message: string; code: string };
}

type Path = Parameters<Engine['request']>[0];

async function ask(engine: Engine, body: object, options?: EngineRequestOptions, path: Path = CHAT): Promise<Answer> {
  return JSON.parse(await text(await engine.request(path, body, options))) as Answer;
}

/** The `data:` events of a stream, parsed; the final [DONE] as a text. */
async function events(response: IncomingMessage): Promise<(Record<string, never> | string)[]> {
  return (await text(response))
    .split('\n\n')
    .filter((event) => event !== '')
    .map((event) => event.replace(/^data: /, ''))
    .map((data) => (data === '[DONE]' ? data : JSON.parse(data)));
}

async function until(what: string, condition: () => Promise<boolean>, deadlineMs = 10_000): Promise<number> {
  const started = performance.now();
  while (!(await condition())) {
    if (performance.now() - started > deadlineMs) throw new Error(`not within ${deadlineMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  return performance.now() - started;
}

describe('node-llama-cpp in its sandbox', () => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await start();
  });
  afterAll(() => engine?.stop());

  it('runs without network and says how', async () => {
    expect(engine.kind).toBe('node-llama-cpp');
    expect(engine.isolation.network).toBe('none');
    expect(engine.version).toMatch(/^llama\.cpp /);
    const props = await engine.props();
    expect(props).toMatchObject({ contextSize: 1024, trainedContextSize: 8192, hasChatTemplate: true });
  });

  it('answers, the same at temperature 0, streamed or not', async () => {
    const body = { messages: capital, temperature: 0, max_tokens: 12 };
    const whole = await ask(engine, body);
    expect(whole.choices[0]!.message.content).toBe('The capital of France is Paris.');
    expect(whole.choices[0]!.finish_reason).toBe('stop');
    const streamed = await events(
      await engine.request(CHAT, { ...body, stream: true, stream_options: { include_usage: true } }),
    );
    expect(streamed.at(-1)).toBe('[DONE]');
    const chunks = streamed.slice(0, -1) as unknown as {
      id: string;
      choices: { delta: { role?: string; content?: string }; finish_reason: string | null }[];
      usage: Answer['usage'] | null;
    }[];
    expect(chunks[0]!.choices[0]!.delta.role).toBe('assistant');
    expect(new Set(chunks.map((chunk) => chunk.id)).size).toBe(1);
    expect(chunks.map((chunk) => chunk.choices[0]?.delta.content ?? '').join('')).toBe(
      whole.choices[0]!.message.content,
    );
    expect(chunks.at(-2)!.choices[0]!.finish_reason).toBe('stop');
    expect(chunks.at(-1)!.choices).toEqual([]);
    expect(chunks.at(-1)!.usage).toEqual(whole.usage);
  });

  it('repeats itself for an equal seed and not for another', async () => {
    const body = { messages: [{ role: 'user', content: 'Invent a word.' }], temperature: 1.5, max_tokens: 8 };
    const answers = await Promise.all([7, 7, 8].map((seed) => ask(engine, { ...body, seed })));
    const [one, two, other] = answers.map((answer) => answer.choices[0]!.message.content);
    expect(two).toBe(one);
    expect(other).not.toBe(one);
  });

  it('stops at max_tokens and at a stop text, which is not part of the answer', async () => {
    const cut = await ask(engine, { messages: capital, temperature: 0, max_tokens: 3 });
    expect(cut.choices[0]!.finish_reason).toBe('length');
    expect(cut.usage.completion_tokens).toBe(3);
    const stopped = await ask(engine, { messages: capital, temperature: 0, max_tokens: 12, stop: [' France', 'x y'] });
    expect(stopped.choices[0]!.finish_reason).toBe('stop');
    expect(stopped.choices[0]!.message.content).toBe('The capital of');
  });

  it('keeps to a JSON schema', async () => {
    const schema = { type: 'object', properties: { capital: { enum: ['Paris', 'Rome'] } }, required: ['capital'] };
    const format = { type: 'json_schema', json_schema: { name: 'answer', schema } };
    const answer = await ask(engine, { messages: capital, temperature: 0, max_tokens: 40, response_format: format });
    expect(['Paris', 'Rome']).toContain(JSON.parse(answer.choices[0]!.message.content).capital);
  });

  it('calls tools, streamed or not, and reads their results', async () => {
    const parameters = { type: 'object', properties: { city: { type: 'string', maxLength: 20 } }, required: ['city'] };
    const tools = [{ type: 'function', function: { name: 'weather', description: 'Weather of a city', parameters } }];
    // A model this small calls only after examples.
    const examples = ['Rome', 'Oslo', 'Lima'].flatMap((city, index) => {
      const call = {
        id: `c${index}`,
        type: 'function',
        function: { name: 'weather', arguments: `{"city":"${city}"}` },
      };
      return [
        { role: 'user', content: `Weather in ${city}?` },
        { role: 'assistant', content: null, tool_calls: [call] },
        { role: 'tool', tool_call_id: `c${index}`, content: 'sunny' },
        { role: 'assistant', content: 'Sunny.' },
      ];
    });
    const messages = [...examples, { role: 'user', content: 'Weather in Paris?' }];
    const body = { messages, tools, temperature: 0, max_tokens: 40 };
    const [choice] = (await ask(engine, body, { session: 'tools' })).choices;
    expect(choice!.finish_reason).toBe('tool_calls');
    expect(choice!.message.content).toBeNull();
    expect(choice!.message.tool_calls![0]!.function).toEqual({ name: 'weather', arguments: '{"city":"Paris"}' });
    const streamed = await events(await engine.request(CHAT, { ...body, stream: true }, { session: 'tools' }));
    const deltas = streamed.slice(0, -1) as unknown as {
      choices: {
        delta: { tool_calls?: { index: number; id: string; type: string }[] };
        finish_reason: string | null;
      }[];
    }[];
    const calls = deltas.flatMap((chunk) => chunk.choices[0]!.delta.tool_calls ?? []);
    expect(calls).toMatchObject([{ index: 0, type: 'function', id: expect.stringMatching(/^call_/) }]);
    expect(deltas.at(-1)!.choices[0]!.finish_reason).toBe('tool_calls');
    const none = await ask(engine, { ...body, tool_choice: 'none', max_tokens: 2 }, { session: 'none' });
    expect(none.choices[0]!.message.tool_calls).toBeUndefined();
  });

  it('completes texts and makes embeddings', async () => {
    const body = { prompt: 'One, two, three,', temperature: 0, max_tokens: 3, echo: true };
    const completed = await ask(engine, body, {}, '/v1/completions');
    expect(completed.choices[0]!.text).toMatch(/^One, two, three, four/);
    const inputs = { input: ['king', 'king', 'the sea'] };
    const floats = await ask(engine, inputs, {}, '/v1/embeddings');
    const [first, second, third] = floats.data.map((entry) => entry.embedding as number[]);
    expect(first).toHaveLength(576);
    expect(second).toEqual(first);
    expect(third).not.toEqual(first);
    const packed = await ask(engine, { ...inputs, encoding_format: 'base64' }, {}, '/v1/embeddings');
    const bytes = Buffer.from(packed.data[0]!.embedding as string, 'base64');
    expect(bytes.readFloatLE(0)).toBeCloseTo(first![0]!, 5);
    const unknown = await ask(engine, { input: [[49_152]] }, {}, '/v1/embeddings');
    expect(unknown.error.message).toContain('49151');
  });

  it('reuses what it read for the same conversation only', async () => {
    const body = { messages: capital, temperature: 0, max_tokens: 3 };
    const cached = async (session?: string) => {
      const answer = await ask(engine, body, session === undefined ? {} : { session });
      return answer.usage.prompt_tokens_details.cached_tokens;
    };
    expect(await cached('alice')).toBe(0);
    expect(await cached('alice')).toBeGreaterThan(20);
    expect(await cached('bob')).toBe(0);
    expect(await cached()).toBe(0);
    expect(await cached()).toBe(0);
    await cached('alice');
    await engine.recycle('alice');
    expect(await cached('alice')).toBe(0);
    await engine.recycle();
    expect(await cached('alice')).toBe(0);
  });

  it('refuses a wrong request before and behind the socket', async () => {
    await expect(engine.request(CHAT, { messages: capital, n_discard: -1 })).rejects.toBeInstanceOf(RequestError);
    const direct = async (body: string, path = CHAT) => {
      const response = await send(engine.socketPath, { method: 'POST', path, body });
      return { status: response.statusCode, ...(JSON.parse(await text(response)) as Answer) };
    };
    expect(await direct(JSON.stringify({ messages: capital, n_discard: -1 }))).toMatchObject({
      status: 400,
      error: { code: 'unknown_parameter' },
    });
    expect(await direct('{"messages":[],"messages":[]}')).toMatchObject({
      status: 400,
      error: { code: 'invalid_json' },
    });
    expect(await direct('{', CHAT)).toMatchObject({ status: 400, error: { code: 'invalid_json' } });
    expect(await direct('{}', '/slots/0?action=erase')).toMatchObject({ status: 404 });
    const huge = [{ role: 'user', content: 'word '.repeat(2000) }];
    expect(await ask(engine, { messages: huge })).toMatchObject({ error: { code: 'context_length_exceeded' } });
  });

  it('serves others while two answer, in the order of asking', async () => {
    const order: number[] = [];
    const first = await Promise.all([engine.request(CHAT, long), engine.request(CHAT, long)]);
    const later = [0, 1, 2].map(async (index) => {
      await until('in line', async () => (await engine.props()).slots.waiting === index);
      const answer = ask(engine, { messages: capital, temperature: 0, max_tokens: 2 }).then(() => order.push(index));
      return answer;
    });
    await until('three wait', async () => (await engine.props()).slots.waiting === 3);
    first[0]!.destroy();
    await Promise.all(later);
    first[1]!.destroy();
    expect(order).toEqual([0, 1, 2]);
    await until('all slots are free', async () => (await engine.props()).slots.busy === 0);
  });
});

describe('cancel and crash', () => {
  it('frees the slot of a lost client within 200 ms, also while it reads a long prompt', async () => {
    const engine = await start({ parallel: 1 });
    const reading = { messages: [{ role: 'user', content: 'word '.repeat(900) }], max_tokens: 1, stream: true };
    const freed = { generating: Number.POSITIVE_INFINITY, reading: Number.POSITIVE_INFINITY };
    const started = performance.now();
    await ask(engine, { messages: capital, temperature: 0, max_tokens: 8, stop: ['never'] });
    // 200 ms, or ten tokens' time where the rest of the test run leaves so little of the cores that this is longer.
    const bound = Math.max(200, ((performance.now() - started) / 8) * 10);
    for (let round = 0; round < 6; round++) {
      const gone = new AbortController();
      const running = engine.request(CHAT, round % 2 === 0 ? long : reading, { signal: gone.signal });
      const settled = running.then(
        (response) => response.once('error', () => {}),
        () => {},
      );
      await until('it runs', async () => (await engine.props()).slots.busy === 1);
      const waiting = new AbortController();
      const next = engine.request(CHAT, { messages: capital, max_tokens: 1 }, { signal: waiting.signal });
      await until('another waits', async () => (await engine.props()).slots.waiting === 1);
      if (round % 2 === 0) await settled;
      gone.abort();
      const took = await until('the other runs', async () => (await engine.props()).slots.waiting === 0);
      const kind = round % 2 === 0 ? 'generating' : 'reading';
      // The best of three; without the cancel each takes a hundred times as long.
      freed[kind] = Math.min(freed[kind], took);
      await text(await next);
      await settled;
    }
    await engine.stop();
    expect(freed.generating).toBeLessThan(bound);
    expect(freed.reading).toBeLessThan(bound);
  });

  it('says why a file is no model, and leaves nothing behind', async () => {
    const garbage = join(folder, 'garbage.gguf');
    writeFileSync(garbage, Buffer.alloc(4096, 'GGUF'));
    const empty = join(folder, 'empty.gguf');
    writeFileSync(empty, '');
    for (const modelPath of [garbage, empty]) {
      await expect(start({ modelPath })).rejects.toMatchObject({ name: 'EngineError', code: 'model_rejected' });
    }
    await expect(start({ contextSize: -1 })).rejects.toMatchObject({ code: 'bad_option' });
    await expect(start({ socketDir: `/tmp/${'x'.repeat(100)}` })).rejects.toMatchObject({ code: 'bad_option' });
    await expect(start({ signal: AbortSignal.timeout(200) })).rejects.toMatchObject({ name: 'TimeoutError' });
    await expect(start({ startMs: 200 })).rejects.toMatchObject({ code: 'start_failed' });
    expect(readdirSync(folder).filter((name) => name.endsWith('.sock'))).toEqual([]);
  });

  it('tells the loss of its process, and a new one works', async () => {
    const engine = await start();
    const answer = await engine.request(CHAT, long);
    const ended = text(answer).then(
      () => 'ended',
      () => 'broken off',
    );
    process.kill(-engine.pid, 'SIGKILL');
    expect(await ended).toBe('broken off');
    expect((await engine.exited).signal).toBe('SIGKILL');
    await expect(engine.request(CHAT, { messages: capital })).rejects.toMatchObject({ code: 'gone' });
    const again = await start();
    const body = { messages: capital, temperature: 0, max_tokens: 12 };
    expect((await ask(again, body)).choices[0]!.message.content).toBe('The capital of France is Paris.');
    expect(await again.stop()).toMatchObject({ code: 0, cause: null });
  });
});
