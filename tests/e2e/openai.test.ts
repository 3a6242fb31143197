/** The official client of OpenAI against the port of the page, with the real model behind it. */

import { createClient, ui } from '@secai/contracts';
import { submitModel } from '@secai/launcher';
import OpenAI, { AuthenticationError, BadRequestError, NotFoundError } from 'openai';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { verifies } from '../claims.ts';
import { eventually } from '../support/eventually.ts';
import { logIn } from '../support/page.ts';
import { type Stack, starterModelFile, startStack } from '../support/stack.ts';

const model = 'smol';
const passphrase = 'a long enough passphrase';
let stack: Stack;
let client: OpenAI;

beforeAll(async () => {
  stack = await startStack({ env: { SECAI_PASSPHRASE: passphrase } });
  await submitModel(stack.launcher.home, stack.portOffset, starterModelFile, model, AbortSignal.timeout(60_000));
  const operator = createClient(ui, { baseUrl: stack.url('ui'), token: await stack.token('ui'), deadlineMs: 10_000 });
  const { secret } = await operator.operatorCreateKey({ body: { name: 'test' } });
  client = new OpenAI({ baseURL: `${stack.url('ui')}/v1`, apiKey: secret, maxRetries: 0 });
  await eventually(
    'the model is listed',
    async () => (await client.models.list()).data.some(({ id }) => id === model),
    110_000,
  );
});
afterAll(() => stack?.stop());

const user = (content: string) => [{ role: 'user' as const, content }];

verifies(['api.openai', 'zone.runtime.promoted-only', 'service.inference-worker'], () => {
  it('chats, whole and streamed, with the same words at temperature 0', async () => {
    const options = { model, messages: user('Say hello.'), temperature: 0, max_tokens: 16 };
    const whole = await client.chat.completions.create(options);
    expect(whole.choices[0]!.message.content!.length).toBeGreaterThan(1);
    expect(whole.usage!.completion_tokens).toBeGreaterThan(0);
    expect(whole.usage!.total_tokens).toBe(whole.usage!.prompt_tokens + whole.usage!.completion_tokens);
    let text = '';
    let usage = 0;
    for await (const chunk of await client.chat.completions.create({
      ...options,
      stream: true,
      stream_options: { include_usage: true },
    })) {
      text += chunk.choices[0]?.delta.content ?? '';
      usage = chunk.usage?.completion_tokens ?? usage;
    }
    expect(text).toBe(whole.choices[0]!.message.content);
    expect(usage).toBe(whole.usage!.completion_tokens);
  });

  it('stops at a stop word and at the token limit', async () => {
    const counted = await client.chat.completions.create({
      model,
      messages: user('Write a long story.'),
      max_tokens: 5,
      temperature: 0,
    });
    expect(counted.choices[0]!.finish_reason).toBe('length');
    expect(counted.usage!.completion_tokens).toBeLessThanOrEqual(5);
    const whole = counted.choices[0]!.message.content!;
    const word = whole.split(' ').find((part, i) => i > 0 && part.length > 1)!;
    const stopped = await client.chat.completions.create({
      model,
      messages: user('Write a long story.'),
      max_tokens: 5,
      temperature: 0,
      stop: [word],
    });
    expect(stopped.choices[0]!.message.content).not.toContain(word);
    expect(stopped.choices[0]!.finish_reason).toBe('stop');
  });

  it('takes tools in OpenAI form', async () => {
    const tools = [
      {
        type: 'function' as const,
        function: { name: 'get_time', description: 'The time', parameters: { type: 'object', properties: {} } },
      },
    ];
    const answer = await client.chat.completions.create({
      model,
      messages: user('What time is it?'),
      tools,
      max_tokens: 12,
      temperature: 0,
    });
    expect(['stop', 'length', 'tool_calls']).toContain(answer.choices[0]!.finish_reason);
  });

  it('completes text and embeds it', async () => {
    const completion = await client.completions.create({
      model,
      prompt: 'The capital of France is',
      max_tokens: 4,
      temperature: 0,
    });
    expect(completion.choices[0]!.text.length).toBeGreaterThan(0);
    const { data } = await client.embeddings.create({ model, input: ['a cat', 'a dog'], encoding_format: 'float' });
    expect(data).toHaveLength(2);
    expect(data[0]!.embedding.length).toBe(576); // SmolLM2-135M's width
    expect(data[0]!.embedding).not.toEqual(data[1]!.embedding);
  });

  it('frees the slot within moments when the client goes away', async () => {
    const controller = new AbortController();
    const stream = await client.chat.completions.create(
      { model, messages: user('Count to one thousand.'), max_tokens: 2000, stream: true },
      { signal: controller.signal },
    );
    for await (const _ of stream) break;
    controller.abort();
    const status = async () =>
      (
        await fetch(`${stack.url('inference-worker')}/v1/status`, {
          headers: { authorization: `Bearer ${await stack.token('inference-worker')}` },
        })
      ).json() as Promise<{ slots: { busy: number } }>;
    await eventually('no slot is busy', async () => (await status()).slots.busy === 0, 2000);
  });

  it('fails as the client expects: key, model, parameter', async () => {
    const stranger = new OpenAI({ baseURL: `${stack.url('ui')}/v1`, apiKey: 'sk-secai-made-up', maxRetries: 0 });
    await expect(stranger.models.list()).rejects.toBeInstanceOf(AuthenticationError);
    await expect(client.chat.completions.create({ model: 'nobody', messages: user('x') })).rejects.toBeInstanceOf(
      NotFoundError,
    );
    await expect(
      client.chat.completions.create({ model, messages: user('x'), temperature: 99 }),
    ).rejects.toBeInstanceOf(BadRequestError);
    await expect(
      client.chat.completions.create({ model, messages: user('x'), no_such_parameter: 1 } as never),
    ).rejects.toBeInstanceOf(BadRequestError);
  });

  it('runs nothing once the model is removed', async () => {
    const page = await logIn(stack.url('ui'), passphrase);
    await page.call('DELETE', `/api/models/${model}`);
    await expect(client.chat.completions.create({ model, messages: user('x') })).rejects.toBeInstanceOf(NotFoundError);
    expect((await client.models.list()).data).toEqual([]);
  });
});
