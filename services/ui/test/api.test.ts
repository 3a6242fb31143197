import OpenAI, { APIError, AuthenticationError, BadRequestError, NotFoundError } from 'openai';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Browser } from './support/browser.ts';
import { begin, delta } from './support/engine.ts';
import { Stack } from './support/stack.ts';

let stack: Stack;
let owner: Browser;
let secret: string;
let client: OpenAI;
beforeAll(async () => {
  stack = await Stack.start();
  await stack.promote('tiny');
  owner = await stack.loggedIn();
  const made = await owner.post('/api/keys', { name: ' my tools ' });
  expect(made.status).toBe(201);
  secret = made.json['secret'] as string;
  client = clientWith(secret);
});
afterAll(() => stack?.stop());

const clientWith = (apiKey: string, headers: Record<string, string> = {}) =>
  new OpenAI({ baseURL: `${stack.ui.url}/v1`, apiKey, maxRetries: 0, defaultHeaders: headers });
const messages = [{ role: 'user' as const, content: 'hi' }];
const answerJson = (value: unknown, status = 200) =>
  stack.engine.scripts.push((res) => {
    res.writeHead(status, { 'content-type': 'application/json' });
    res.end(JSON.stringify(value));
  });
const chunk = (choices: object[], more: object = {}) =>
  `data: ${JSON.stringify({ id: 'c', object: 'chat.completion.chunk', created: 1, model: 'tiny', choices, ...more })}\n\n`;

describe('API keys', () => {
  it('show their secret once, and the store has its hash only', async () => {
    expect(secret).toMatch(/^sk-secai-[A-Za-z0-9_-]{43}$/);
    const { keys } = (await owner.get('/api/keys')).json as { keys: Record<string, unknown>[] };
    expect(keys).toEqual([
      expect.objectContaining({ name: 'my tools', prefix: secret.slice(0, 15), last_used_at: null }),
    ]);
    const rows = await stack.store.query('SELECT k::text FROM ui.api_keys k');
    expect(JSON.stringify(rows)).not.toContain(secret.slice(16));
  });

  it('note when they were used last, and die when they are revoked', async () => {
    const { id, secret: other } = (await owner.post('/api/keys', { name: 'other\u0000' })).json as Record<
      string,
      string
    >;
    await clientWith(other!).models.list();
    await vi.waitFor(async () => {
      const { keys } = (await owner.get('/api/keys')).json as { keys: Record<string, unknown>[] };
      expect(keys.find((key) => key['id'] === id)).toMatchObject({
        last_used_at: new Date(stack.clock.now()).toISOString(),
      });
    });
    expect((await owner.send('DELETE', `/api/keys/${id}`)).json).toEqual({ deleted: id });
    expect((await owner.send('DELETE', `/api/keys/${id}`)).json).toMatchObject({ code: 'not_found' });
    await expect(clientWith(other!).models.list()).rejects.toThrow(AuthenticationError);
  });

  it('are made from the command line with the operator’s token, which may also ask', async () => {
    const operator = stack.environment.tokenOf('operator');
    const make = (token: string) =>
      owner.post('/v1/keys', { name: 'cli' }, { authorization: `Bearer ${token}`, cookie: '' });
    const made = await make(operator);
    expect(made.status).toBe(201);
    expect((await clientWith(made.json['secret'] as string).models.list()).data).toHaveLength(1);
    expect((await make(secret)).json).toMatchObject({ status: 401, code: 'unauthorized' });
    expect((await clientWith(operator).models.list()).data).toHaveLength(1);
  });

  it('open nothing but the API, and a session does not open the API', async () => {
    const headers = { authorization: `Bearer ${secret}`, cookie: '' };
    expect((await owner.get('/api/chats', headers)).status).toBe(401);
    expect((await owner.get('/metrics', headers)).status).toBe(401);
    expect((await owner.get('/v1/models')).status).toBe(401);
  });

  it('work in either header, and two that differ are refused', async () => {
    const list = (headers: Record<string, string>) => owner.get('/v1/models', { cookie: '', ...headers });
    expect((await list({ 'x-api-key': secret })).status).toBe(200);
    expect((await list({ 'x-api-key': secret, authorization: `Bearer ${secret}` })).status).toBe(200);
    for (const headers of [
      { 'x-api-key': secret, authorization: 'Bearer nobody' },
      { 'x-api-key': 'nobody', authorization: `Bearer ${secret}` },
      { 'x-api-key': secret, authorization: 'Basic abc' },
      { 'x-api-key': secret.toLowerCase() },
      { authorization: secret },
      { authorization: `Bearer ${secret}x` },
      {},
    ])
      expect((await list(headers as Record<string, string>)).status, JSON.stringify(headers)).toBe(401);
  });
});

describe('the openai client', () => {
  it('lists models', async () => {
    const list = await client.models.list();
    expect(list.data.map(({ id, object }) => [id, object])).toEqual([['tiny', 'model']]);
  });

  it('gets a chat completion, sent on byte for byte', async () => {
    const completion = {
      id: 'chatcmpl-1',
      object: 'chat.completion',
      created: 1,
      model: 'tiny',
      choices: [{ index: 0, message: { role: 'assistant', content: 'hello' }, finish_reason: 'stop', logprobs: null }],
      usage: { prompt_tokens: 3, completion_tokens: 1, total_tokens: 4 },
    };
    answerJson(completion);
    expect(await client.chat.completions.create({ model: 'tiny', messages, stop: ['\n'], seed: 7 })).toEqual(
      completion,
    );
    expect(stack.engine.requests.at(-1)).toMatchObject({
      path: '/v1/chat/completions',
      body: { model: 'tiny', messages, stop: ['\n'], seed: 7 },
    });
    answerJson(completion);
    const odd = `{ "model":"tiny" ,"messages":[],"x":1.0e2, "\\u0061":"\\u00e9" }`;
    const headers = { authorization: `Bearer ${secret}`, 'content-type': 'application/json' };
    await fetch(`${stack.ui.url}/v1/chat/completions`, { method: 'POST', headers, body: odd });
    expect(stack.engine.requests.at(-1)!.raw.toString()).toBe(odd);
  });

  it('streams, with usage', async () => {
    const options = { model: 'tiny', messages, stream: true as const, stream_options: { include_usage: true } };
    let text = '';
    let usage: unknown;
    for await (const part of await client.chat.completions.create(options)) {
      text += part.choices[0]?.delta.content ?? '';
      usage = part.usage ?? usage;
    }
    expect(text).toBe('hello world');
    expect(usage).toEqual({ prompt_tokens: 7, completion_tokens: 2, total_tokens: 9 });
  });

  it('gets tool calls, streamed and whole', async () => {
    const tools = [{ type: 'function' as const, function: { name: 'add', parameters: { type: 'object' } } }];
    stack.engine.scripts.push((res) => {
      begin(res);
      const call = (fields: object) =>
        chunk([{ index: 0, delta: { tool_calls: [{ index: 0, ...fields }] }, finish_reason: null }]);
      res.write(call({ id: 'call_1', type: 'function', function: { name: 'add', arguments: '' } }));
      res.write(call({ function: { arguments: '{"a":' } }));
      res.write(call({ function: { arguments: '1}' } }));
      res.end(`${chunk([{ index: 0, delta: {}, finish_reason: 'tool_calls' }])}data: [DONE]\n\n`);
    });
    const whole = await client.chat.completions.stream({ model: 'tiny', messages, tools }).finalChatCompletion();
    expect(whole.choices[0]).toMatchObject({
      finish_reason: 'tool_calls',
      message: { tool_calls: [{ id: 'call_1', function: { name: 'add', arguments: '{"a":1}' } }] },
    });
    expect(stack.engine.requests.at(-1)!.body).toMatchObject({ tools });
  });

  it('gets completions and embeddings', async () => {
    answerJson({
      id: 'cmpl-1',
      object: 'text_completion',
      created: 1,
      model: 'tiny',
      choices: [{ index: 0, text: 'x', finish_reason: 'stop', logprobs: null }],
    });
    expect((await client.completions.create({ model: 'tiny', prompt: 'p' })).choices[0]!.text).toBe('x');
    expect(stack.engine.requests.at(-1)!.path).toBe('/v1/completions');
    answerJson({
      object: 'list',
      model: 'tiny',
      data: [
        { object: 'embedding', index: 0, embedding: Buffer.from(new Float32Array([1, 0.5]).buffer).toString('base64') },
      ],
      usage: { prompt_tokens: 1, total_tokens: 1 },
    });
    expect((await client.embeddings.create({ model: 'tiny', input: 'p' })).data[0]!.embedding).toEqual([1, 0.5]);
    expect(stack.engine.requests.at(-1)!.path).toBe('/v1/embeddings');
  });

  it('gets the errors it knows', async () => {
    await expect(clientWith('sk-secai-wrong').models.list()).rejects.toMatchObject({
      status: 401,
      code: 'invalid_api_key',
    });
    await expect(clientWith('sk-secai-wrong').models.list()).rejects.toThrow(AuthenticationError);
    const missing = client.chat.completions.create({ model: 'gpt-9', messages });
    await expect(missing).rejects.toThrow(NotFoundError);
    await expect(missing).rejects.toMatchObject({ code: 'model_not_found', param: 'model', type: 'not_found_error' });
    await expect(client.chat.completions.create({ messages } as never)).rejects.toThrow(BadRequestError);
    answerJson(
      {
        error: {
          message: 'context is full',
          type: 'invalid_request_error',
          code: 'context_length_exceeded',
          param: 'messages',
        },
      },
      400,
    );
    const full = client.chat.completions.create({ model: 'tiny', messages });
    await expect(full).rejects.toThrow(BadRequestError);
    await expect(full).rejects.toMatchObject({
      param: 'messages',
      message: expect.stringContaining('context is full'),
    });
    await expect(client.models.retrieve('tiny')).rejects.toThrow(NotFoundError);
  });

  it('is told when a stream breaks', async () => {
    stack.engine.scripts.push(async (res) => {
      begin(res);
      res.write(delta('half'));
      await new Promise((resolve) => setImmediate(resolve));
      res.destroy();
    });
    let text = '';
    const reading = (async () => {
      for await (const part of await client.chat.completions.create({ model: 'tiny', messages, stream: true }))
        text += part.choices[0]?.delta.content ?? '';
    })();
    await expect(reading).rejects.toThrow(APIError);
    expect(text).toBe('half');
  });

  it('frees the engine when it leaves', async () => {
    const before = stack.engine.cancelled;
    stack.engine.scripts.push((res) => {
      begin(res);
      res.write(delta('half'));
    });
    const stream = await client.chat.completions.create({ model: 'tiny', messages, stream: true });
    for await (const part of stream) if (part.choices[0]?.delta.content === 'half') break;
    await vi.waitFor(() => expect(stack.engine.cancelled).toBe(before + 1));
  });
});

describe('bad requests', () => {
  const post = (body: string | Buffer, headers: Record<string, string> = {}) =>
    fetch(`${stack.ui.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${secret}`, 'content-type': 'application/json', ...headers },
      body: body as string,
    });

  it.each([
    ['a duplicate key', '{"model":"tiny","model":"other"}', 400, 'duplicate_key'],
    ['no JSON', '{"model":', 400, 'malformed_json'],
    ['broken UTF-8', Buffer.from([0x7b, 0xff, 0x7d]), 400, 'malformed_json'],
    ['an array', '[]', 400, 'invalid_field'],
    ['a model that is no name', '{"model":{"$ne":1}}', 400, 'invalid_field'],
    ['a model path', '{"model":"../../etc/passwd"}', 404, 'model_not_found'],
    ['too much', `{"model":"tiny","x":"${'x'.repeat(8 * 1024 * 1024)}"}`, 413, 'body_too_large'],
  ])('of %s get an OpenAI error and reach no engine', async (_what, body, status, code) => {
    const asked = stack.engine.requests.length;
    const answer = await post(body);
    expect(answer.status).toBe(status);
    expect(await answer.json()).toEqual({
      error: {
        message: expect.any(String),
        type: expect.stringMatching(/_error$/),
        code,
        param: status === 413 ? null : expect.toSatisfy(() => true),
      },
    });
    expect(stack.engine.requests).toHaveLength(asked);
  });

  it('of another type or method are refused', async () => {
    expect((await post('{}', { 'content-type': 'text/plain' })).status).toBe(415);
    const answer = await owner.get('/v1/chat/completions', { authorization: `Bearer ${secret}` });
    expect(answer.json).toMatchObject({ error: { code: 'method_not_allowed' } });
    expect((await owner.get('/v1/nothing')).json).toMatchObject({ error: { code: 'not_found' } });
  });

  it('say nothing of our own tokens', async () => {
    answerJson({ type: 'x', title: 'x', status: 401, code: 'unauthorized', detail: 'send the token of an edge' }, 401);
    await expect(client.chat.completions.create({ model: 'tiny', messages })).rejects.toMatchObject({ status: 503 });
  });

  it('reach no engine while the policy engine does not answer', async () => {
    await stack.policy.stop();
    const asked = stack.engine.requests.length;
    await expect(client.chat.completions.create({ model: 'tiny', messages })).rejects.toMatchObject({
      status: 503,
      code: 'policy_unreachable',
    });
    expect(stack.engine.requests).toHaveLength(asked);
  });
});
