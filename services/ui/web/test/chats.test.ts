import type { Chat, ChatMessage } from '@secai/contracts';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { chats, forgetChats, openChat, regenerate, sendMessage, stopAnswer } from '../src/state/chats.ts';

const id = '00000000-0000-4000-8000-000000000001';

function message(change: Partial<ChatMessage>): ChatMessage {
  return {
    id: 'm',
    parent_id: null,
    role: 'user',
    content: '',
    state: 'complete',
    model: null,
    stats: null,
    created_at: '2026-01-01T00:00:00.000Z',
    ...change,
  };
}

const user = message({ id: 'u1', content: 'hi' });
const assistant = message({ id: 'a1', parent_id: 'u1', role: 'assistant', state: 'streaming' });
let stored: Chat;
/** The body of the next streamed answer. */
let body: ReadableStream<Uint8Array>;
let feed: ReadableStreamDefaultController<Uint8Array>;
let refusal: Response | null;
let asked: { method: string; path: string; body: unknown }[];

const event = (name: string, data: unknown): Uint8Array =>
  new TextEncoder().encode(`event: ${name}\ndata: ${JSON.stringify(data)}\n\n`);
const until = async (condition: () => boolean): Promise<void> => {
  await vi.waitFor(() => expect(condition()).toBe(true), { timeout: 2000, interval: 5 });
};
const shown = (): ChatMessage | undefined => chats.get().open[id]?.messages.find((one) => one.id === 'a1');

beforeEach(async () => {
  asked = [];
  refusal = null;
  stored = {
    ...{ id, title: 'Chat', model: 'm', created_at: user.created_at, updated_at: user.created_at, pinned: false },
    ...{ head_id: null, system_prompt: '', messages: [] },
  };
  body = new ReadableStream({
    start: (controller) => {
      feed = controller;
    },
  });
  vi.stubGlobal('requestAnimationFrame', (callback: () => void) => setImmediate(callback));
  vi.stubGlobal('fetch', async (path: string, init: RequestInit) => {
    asked.push({ method: init.method ?? '', path, body: init.body ? JSON.parse(String(init.body)) : null });
    if (init.method === 'GET') return Response.json(path.startsWith('/api/chats/') ? stored : { chats: [] });
    if (path.endsWith('/stop')) return Response.json({ stopped: true });
    init.signal?.addEventListener('abort', () => feed.error(new DOMException('aborted', 'AbortError')));
    return refusal ?? new Response(body);
  });
  await openChat(id);
});

afterEach(() => {
  forgetChats();
  vi.unstubAllGlobals();
});

test('an answer grows, and its last event is what stays', async () => {
  const sending = sendMessage(id, 'hi', null, { model: 'm' });
  expect(chats.get().streams[id]?.pending).toEqual({ content: 'hi', parentId: null });
  feed.enqueue(event('message', { user, assistant }));
  feed.enqueue(event('delta', { text: 'Hel' }));
  feed.enqueue(event('delta', { text: 'lo' }));
  await until(() => chats.get().streams[id]?.live.shown.get() === 'Hello');
  expect(chats.get().streams[id]).toMatchObject({ pending: null, assistantId: 'a1' });
  feed.enqueue(event('done', { message: { ...assistant, content: 'Hello', state: 'complete' } }));
  feed.close();
  expect(await sending).toBe(true);
  expect(chats.get().streams).toEqual({});
  expect(shown()).toMatchObject({ content: 'Hello', state: 'complete' });
  expect(chats.get().open[id]?.head_id).toBe('a1');
  expect(chats.get().failures).toEqual({});
  expect(asked.find((one) => one.method === 'POST')?.body).toEqual({ content: 'hi', parent_id: null, model: 'm' });
});

test('a connection that breaks leaves what arrived, marked as interrupted, until the store can be asked', async () => {
  const sending = sendMessage(id, 'hi', null, { model: 'm' });
  feed.enqueue(event('message', { user, assistant }));
  feed.enqueue(event('delta', { text: 'Half an ans' }));
  await until(() => chats.get().streams[id]?.live.all() === 'Half an ans');
  stored = {
    ...stored,
    head_id: 'a1',
    messages: [user, { ...assistant, content: 'Half an answ', state: 'interrupted' }],
  };
  feed.error(new TypeError('network error'));
  expect(await sending).toBe(true);
  expect(shown()).toMatchObject({ content: 'Half an answ', state: 'interrupted' });
  expect(chats.get().failures[id]).toMatchObject({
    messageId: 'a1',
    reason: expect.stringContaining('connection broke'),
  });
});

test('without a connection the page keeps the text it has', async () => {
  const sending = sendMessage(id, 'hi', null, { model: 'm' });
  feed.enqueue(event('message', { user, assistant }));
  feed.enqueue(event('delta', { text: 'Half' }));
  await until(() => chats.get().streams[id]?.live.all() === 'Half');
  vi.stubGlobal('fetch', () => Promise.reject(new TypeError('failed to fetch')));
  feed.error(new TypeError('network error'));
  expect(await sending).toBe(true);
  expect(shown()).toMatchObject({ content: 'Half', state: 'interrupted' });
});

test('a stream that ends without its last event counts as interrupted', async () => {
  const sending = sendMessage(id, 'hi', null, { model: 'm' });
  feed.enqueue(event('message', { user, assistant }));
  feed.close();
  await sending;
  expect(chats.get().failures[id]?.reason).toBe('The answer broke off before it was finished.');
});

test('an error event tells why and keeps the stored text', async () => {
  const sending = sendMessage(id, 'hi', null, { model: 'm' });
  feed.enqueue(event('message', { user, assistant }));
  feed.enqueue(
    event('error', {
      problem: { detail: 'the engine stopped' },
      message: { ...assistant, content: 'Ha', state: 'interrupted' },
    }),
  );
  feed.close();
  await sending;
  expect(shown()).toMatchObject({ content: 'Ha', state: 'interrupted' });
  expect(chats.get().failures[id]).toEqual({ reason: 'The engine stopped.', messageId: 'a1' });
});

test('a refused message is not taken, and the reason is kept', async () => {
  refusal = Response.json({ code: 'policy_denied', detail: 'not with this model' }, { status: 403 });
  expect(await sendMessage(id, 'hi', null, { model: 'm' })).toBe(false);
  expect(chats.get().failures[id]).toEqual({ reason: 'Not with this model.', messageId: null });
  expect(chats.get().streams).toEqual({});
});

test('events the page does not know do nothing', async () => {
  const sending = sendMessage(id, 'hi', null, { model: 'm' });
  feed.enqueue(event('execute', { code: 'alert(1)' }));
  feed.enqueue(event('message', { user, assistant }));
  feed.enqueue(event('done', { message: { ...assistant, state: 'complete' } }));
  feed.close();
  expect(await sending).toBe(true);
});

test('stop asks the server once and takes its last word', async () => {
  const sending = regenerate(id, 'a0', { model: 'm' });
  feed.enqueue(event('message', { assistant }));
  await until(() => chats.get().streams[id]?.assistantId === 'a1');
  await Promise.all([stopAnswer(id), stopAnswer(id)]);
  expect(asked.filter((one) => one.path.endsWith('/stop'))).toHaveLength(1);
  feed.enqueue(event('done', { message: { ...assistant, content: 'So far', state: 'stopped' } }));
  feed.close();
  await sending;
  expect(shown()).toMatchObject({ content: 'So far', state: 'stopped' });
});

test('one chat writes one answer at a time', async () => {
  const sending = sendMessage(id, 'hi', null, { model: 'm' });
  expect(await sendMessage(id, 'again', null, { model: 'm' })).toBe(false);
  feed.enqueue(event('message', { user, assistant }));
  feed.enqueue(event('done', { message: { ...assistant, state: 'complete' } }));
  feed.close();
  await sending;
});
