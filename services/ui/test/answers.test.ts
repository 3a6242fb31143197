import type { ChatMessage } from '@secai/contracts';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { type Browser, collect, eventsOf, type ServerEvent } from './support/browser.ts';
import { begin, delta, finish, line, stream } from './support/engine.ts';
import { Stack } from './support/stack.ts';

let stack: Stack;
let owner: Browser;
let chatId: string;
beforeAll(async () => {
  stack = await Stack.start();
  await stack.promote('tiny');
  owner = await stack.loggedIn();
});
beforeEach(async () => {
  chatId = (await owner.post('/api/chats', { system_prompt: 'Be kind.' })).json['id'] as string;
});
afterAll(() => stack?.stop());

const messages = async () => (await owner.get(`/api/chats/${chatId}`)).json['messages'] as ChatMessage[];
const question = (content: string, parent_id: string | null = null) => ({ content, parent_id, model: 'tiny' });
const send = (content: string, parentId: string | null = null) =>
  owner.events('POST', `/api/chats/${chatId}/messages`, question(content, parentId));
const textOf = (events: ServerEvent[]) => events.map(({ data }) => data.text ?? '').join('');
const last = (events: ServerEvent[]) => events.at(-1)!;
/** Reads until the text has come. */
async function until(events: AsyncGenerator<ServerEvent>, text: string): Promise<void> {
  let seen = '';
  for (;;) {
    const { value } = await events.next();
    seen += value.data.text ?? '';
    if (seen.endsWith(text)) return;
  }
}

describe('an answer', () => {
  it('streams message, deltas and done, and is kept with its facts', async () => {
    const events = await send('Hello there');
    expect(events.map(({ event }) => event)).toEqual(['message', 'delta', 'delta', 'done']);
    expect(events[0]!.data).toMatchObject({
      user: { role: 'user', content: 'Hello there', state: 'complete' },
      assistant: { role: 'assistant', content: '', state: 'streaming' },
    });
    expect(textOf(events)).toBe('hello world');
    const message = last(events).data.message!;
    expect(message).toMatchObject({ content: 'hello world', state: 'complete', model: 'tiny' });
    expect(message.stats).toMatchObject({ prompt_tokens: 7, completion_tokens: 2 });
    expect((await messages())[1]).toEqual(message);
    expect(stack.engine.requests.at(-1)!.body).toEqual({
      model: 'tiny',
      messages: [
        { role: 'system', content: 'Be kind.' },
        { role: 'user', content: 'Hello there' },
      ],
      stream: true,
      stream_options: { include_usage: true },
    });
  });

  it('is asked along its own branch, and again beside the first', async () => {
    const first = last(await send('one')).data.message!;
    await send('two', first.id);
    stack.engine.scripts.push((res) => stream(res, ['better']));
    const again = await owner.events('POST', `/api/chats/${chatId}/messages/${first.id}/regenerate`, {
      model: 'tiny',
      temperature: 0.5,
    });
    expect(again[0]!.data).not.toHaveProperty('user');
    expect(last(again).data.message).toMatchObject({ content: 'better', parent_id: first.parent_id });
    expect(stack.engine.requests.at(-1)!.body).toMatchObject({ temperature: 0.5, messages: [{}, { content: 'one' }] });
    await send('three', last(again).data.message!.id);
    const asked = stack.engine.requests.at(-1)!.body['messages'] as { content: string }[];
    expect(asked.map(({ content }) => content)).toEqual(['Be kind.', 'one', 'better', 'three']);
    const chat = (await owner.get(`/api/chats/${chatId}`)).json as { title: string; messages: ChatMessage[] };
    expect(chat.title).toBe('one');
    expect(chat.messages.filter(({ parent_id }) => parent_id === first.parent_id)).toHaveLength(2);
    const exported = await owner.get(`/api/chats/${chatId}/export`);
    expect(exported.headers['content-disposition']).toContain('filename="one.md"');
    expect(exported.text).toMatch(/# one[\s\S]*better[\s\S]*three[\s\S]*hello world/);
    expect(exported.text).not.toContain('two');
  });

  it('keeps the question before it asks, and what is shown within a second', async () => {
    const hold = Promise.withResolvers<void>();
    stack.engine.scripts.push(async (res) => {
      const rows = await stack.store.query('SELECT content, state FROM ui.messages WHERE chat_id = $1 ORDER BY seq', [
        chatId,
      ]);
      begin(res);
      res.write(delta(JSON.stringify(rows)));
      await hold.promise;
      finish(res, 1);
    });
    const res = await owner.open('POST', `/api/chats/${chatId}/messages`, question('early'));
    const events = eventsOf(res);
    await until(events, ']');
    const shown = (await messages())[1]!;
    expect(shown).toMatchObject({ state: 'streaming' });
    expect(JSON.parse(shown.content)).toEqual([
      { content: 'early', state: 'complete' },
      { content: '', state: 'streaming' },
    ]);
    await vi.waitFor(
      async () => {
        const row = await stack.store.one('SELECT content, state FROM ui.messages WHERE id = $1', [shown.id]);
        expect(row).toEqual({ content: shown.content, state: 'streaming' });
      },
      { timeout: 1000, interval: 50 },
    );
    expect((await owner.post(`/api/chats/${chatId}/messages`, question('me too'))).json).toMatchObject({
      code: 'conflict',
    });
    hold.resolve();
    for await (const _ of events);
    expect((await messages())[1]).toMatchObject({ state: 'complete' });
  });

  it('stops when told to, frees the engine and keeps what is there', async () => {
    const before = stack.engine.cancelled;
    stack.engine.scripts.push((res) => {
      begin(res);
      res.write(delta('so far'));
    });
    const events = eventsOf(await owner.open('POST', `/api/chats/${chatId}/messages`, question('long')));
    await until(events, 'so far');
    expect((await owner.post(`/api/chats/${chatId}/stop`)).json).toEqual({ stopped: true });
    const rest = await collect(events);
    expect(last(rest)).toMatchObject({ event: 'done', data: { message: { content: 'so far', state: 'stopped' } } });
    await vi.waitFor(() => expect(stack.engine.cancelled).toBe(before + 1));
    expect((await messages())[1]).toMatchObject({ content: 'so far', state: 'stopped' });
    expect((await owner.post(`/api/chats/${chatId}/stop`)).json).toEqual({ stopped: false });
    expect(last(await send('next', (await messages())[1]!.id)).event).toBe('done');
  });

  it('is cancelled and kept as interrupted when the tab is closed', async () => {
    const before = stack.engine.cancelled;
    stack.engine.scripts.push((res) => {
      begin(res);
      res.write(delta('half'));
    });
    const res = await owner.open('POST', `/api/chats/${chatId}/messages`, question('long'));
    await until(eventsOf(res), 'half');
    res.destroy();
    await vi.waitFor(async () =>
      expect((await messages())[1]).toMatchObject({ content: 'half', state: 'interrupted' }),
    );
    await vi.waitFor(() => expect(stack.engine.cancelled).toBe(before + 1));
  });

  it('is cancelled even before its first word', async () => {
    const before = stack.engine.cancelled;
    const asked = stack.engine.asked();
    stack.engine.scripts.push(() => undefined);
    const res = await owner.open('POST', `/api/chats/${chatId}/messages`, question('long'));
    await asked;
    res.destroy();
    await vi.waitFor(() => expect(stack.engine.cancelled).toBe(before + 1));
    await vi.waitFor(async () => expect((await messages())[1]).toMatchObject({ state: 'interrupted' }));
  });

  it('never makes the engine wait for a reader that does not read', async () => {
    const block = 'x'.repeat(64 * 1024);
    stack.engine.scripts.push((res) =>
      stream(
        res,
        Array.from({ length: 16 }, () => block),
      ),
    );
    const res = await owner.open('POST', `/api/chats/${chatId}/messages`, question('much'));
    res.pause();
    await vi.waitFor(async () => expect((await messages())[1]).toMatchObject({ state: 'complete' }), {
      timeout: 10_000,
    });
    const events = await collect(eventsOf(res));
    expect(textOf(events)).toBe(block.repeat(16));
    expect(last(events).event).toBe('done');
  });

  it.each([
    ['breaks off', (res: Parameters<typeof begin>[0]) => res.destroy(), /connection broke/],
    ['ends in the middle', (res: Parameters<typeof begin>[0]) => res.end(), /ended in the middle/],
    [
      'reports an error',
      (res: Parameters<typeof begin>[0]) => res.end(line({ error: { message: 'out of memory' } })),
      /out of memory/,
    ],
    ['speaks nonsense', (res: Parameters<typeof begin>[0]) => res.end('data: }{\n\n'), /not JSON/],
  ])('is interrupted and kept when the engine %s', async (_what, fail, reason) => {
    stack.engine.scripts.push(async (res) => {
      begin(res);
      res.write(delta('half'));
      await new Promise((resolve) => setImmediate(resolve));
      fail(res);
    });
    const events = await send('q');
    expect(last(events)).toMatchObject({
      event: 'error',
      data: {
        problem: { code: 'engine_failed', detail: expect.stringMatching(reason) },
        message: { content: 'half', state: 'interrupted' },
      },
    });
    expect((await messages())[1]).toMatchObject({ content: 'half', state: 'interrupted' });
  });

  it('says why the engine refused', async () => {
    stack.engine.scripts.push((res) => {
      res.writeHead(400, { 'content-type': 'application/json' });
      res.end(JSON.stringify({ error: { message: 'the context is full', type: 'x', code: 'y', param: null } }));
    });
    expect(last(await send('q'))).toMatchObject({
      event: 'error',
      data: { problem: { detail: 'the context is full' } },
    });
  });

  it('keeps broken UTF-8 as replacement characters', async () => {
    stack.engine.scripts.push((res) => {
      begin(res);
      res.write(Buffer.concat([Buffer.from('data: {"choices":[{"delta":{"content":"a'), Buffer.from([0xf0, 0x9f])]));
      res.write('"}}]}\n\n');
      finish(res, 1);
    });
    expect(textOf(await send('q'))).toBe('a\ufffd');
    expect((await messages())[1]).toMatchObject({ content: 'a\ufffd', state: 'complete' });
  });

  it('ends when the service stops, and a crash leaves it interrupted', async () => {
    stack.engine.scripts.push((res) => {
      begin(res);
      res.write(delta('half'));
    });
    const res = await owner.open('POST', `/api/chats/${chatId}/messages`, question('q'));
    const events = eventsOf(res);
    await until(events, 'half');
    await stack.store.query(
      "INSERT INTO ui.messages (id, chat_id, role, content, state, search, created_at) VALUES (gen_random_uuid(), $1, 'assistant', 'lost', 'streaming', '', now())",
      [chatId],
    );
    await stack.restartUi();
    expect(last(await collect(events))).toMatchObject({ data: { message: { state: 'interrupted' } } });
    expect((await messages()).map(({ content, state }) => [content, state])).toEqual([
      ['q', 'complete'],
      ['half', 'interrupted'],
      ['lost', 'interrupted'],
    ]);
  });
});

describe('a question', () => {
  it('is refused where it does not belong', async () => {
    const unknown = '00000000-0000-4000-8000-000000000000';
    await send('q');
    const [user] = await messages();
    const refusals: [string, object, string][] = [
      [`/api/chats/${chatId}/messages`, { ...question('q'), model: 'missing' }, 'not_found'],
      [`/api/chats/${chatId}/messages`, question('q', unknown), 'not_found'],
      [`/api/chats/${chatId}/messages`, question('q', user!.id), 'invalid_field'],
      [`/api/chats/${chatId}/messages`, { ...question('q'), extra: 1 }, 'unknown_field'],
      [`/api/chats/${chatId}/messages`, question(''), 'invalid_field'],
      [`/api/chats/${unknown}/messages`, question('q'), 'not_found'],
      [`/api/chats/${chatId}/messages/${unknown}/regenerate`, { model: 'tiny' }, 'not_found'],
    ];
    const asked = stack.engine.requests.length;
    for (const [path, body, code] of refusals) expect((await owner.post(path, body)).json).toMatchObject({ code });
    expect(stack.engine.requests).toHaveLength(asked);
    expect(await messages()).toHaveLength(2);
  });

  it('reaches nobody while the policy engine does not answer', async () => {
    await stack.policy.stop();
    const asked = stack.engine.requests.length;
    const answer = await owner.post(`/api/chats/${chatId}/messages`, question('q'));
    expect(answer.json).toMatchObject({
      status: 503,
      code: 'policy_unreachable',
      detail: expect.stringContaining('not allowed'),
    });
    expect(stack.engine.requests).toHaveLength(asked);
    expect(await messages()).toEqual([]);
    const system = (await owner.get('/api/system')).json as { services: { name: string; ready: boolean }[] };
    expect(Object.fromEntries(system.services.map(({ name, ready }) => [name, ready]))).toMatchObject({
      store: true,
      'policy-engine': false,
      registry: true,
      quarantine: false,
      ui: true,
    });
  });
});

describe('a deleted chat', () => {
  it('is gone', async () => {
    expect((await owner.send('DELETE', `/api/chats/${chatId}`)).json).toEqual({ deleted: chatId });
    expect((await owner.get(`/api/chats/${chatId}`)).json).toMatchObject({ code: 'not_found' });
  });
});
