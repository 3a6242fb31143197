import type { Chat, ChatMessage } from '@secai/contracts';
import { type Answer, ApiError, call, messageOf, stream } from '../api.ts';
import { sentence } from '../lib/format.ts';
import type { ServerEvent } from '../lib/sse.ts';
import { createStore } from '../lib/store.ts';
import { newestLeafBelow } from '../lib/tree.ts';
import { createLiveText, type LiveText } from './live-text.ts';

export type ChatEntry = Answer<'chats'>['chats'][number];

export interface AnswerOptions {
  model: string;
  temperature?: number | undefined;
  max_tokens?: number | undefined;
}

/** An answer being written into a chat by this page. */
export interface ActiveStream {
  /** The sent text until the server has stored it. */
  pending: { content: string; parentId: string | null } | null;
  assistantId: string | null;
  live: LiveText;
  abort: AbortController;
  stopping: boolean;
  startedAt: number;
}

export interface Failure {
  reason: string;
  messageId: string | null;
}

interface ChatsState {
  /** null until the first answer. */
  list: ChatEntry[] | null;
  listError: string | null;
  open: Record<string, Chat>;
  streams: Record<string, ActiveStream>;
  /** Why the last answer in a chat failed; `messageId` is null when the server did not take the message at all. */
  failures: Record<string, Failure>;
}

const nothing: ChatsState = { list: null, listError: null, open: {}, streams: {}, failures: {} };
export const chats = createStore<ChatsState>(nothing);

export function forgetChats(): void {
  for (const active of Object.values(chats.get().streams)) active.abort.abort();
  chats.set(nothing);
}

export async function refreshChats(): Promise<void> {
  try {
    const { chats: list } = await call('chats');
    chats.set((present) => ({ ...present, list, listError: null }));
  } catch (error) {
    chats.set((present) => ({ ...present, listError: messageOf(error) }));
  }
}

export async function openChat(id: string): Promise<Chat> {
  const chat = await call('chat', { params: { id } });
  // While this page writes an answer it knows more than the store.
  if (!chats.get().streams[id]) put(chat);
  return chat;
}

export async function startChat(model: string, systemPrompt: string): Promise<Chat> {
  const chat = await call('createChat', {
    body: { model, ...(systemPrompt === '' ? {} : { system_prompt: systemPrompt }) },
  });
  put(chat);
  return chat;
}

/** Changes a chat's title, pin, system prompt or branch on show. */
export async function changeChat(
  id: string,
  change: { title?: string; pinned?: boolean; system_prompt?: string; head_id?: string },
): Promise<void> {
  const changed = await call('updateChat', { params: { id }, body: change });
  if (chats.get().open[id] && !chats.get().streams[id]) put(changed);
  await refreshChats();
}

export async function removeChat(id: string): Promise<void> {
  chats.get().streams[id]?.abort.abort();
  await call('deleteChat', { params: { id } });
  chats.set((present) => ({
    ...present,
    list: present.list?.filter((chat) => chat.id !== id) ?? null,
    open: without(present.open, id),
    failures: without(present.failures, id),
  }));
}

/** Shows the version `messageId` and the newest messages below it. */
export async function showVersion(chatId: string, messageId: string): Promise<void> {
  const chat = chats.get().open[chatId];
  if (!chat) return;
  const head_id = newestLeafBelow(chat.messages, messageId);
  put({ ...chat, head_id });
  await changeChat(chatId, { head_id });
}

/**
 * Sends a message below `parentId` and streams the answer until its end. False when the server did not take the message: it was
 * stopped too early or refused, and `failures` says why.
 */
export async function sendMessage(
  chatId: string,
  content: string,
  parentId: string | null,
  options: AnswerOptions,
): Promise<boolean> {
  return write(chatId, { content, parentId }, (signal) =>
    stream('send', { params: { id: chatId }, body: { content, parent_id: parentId, ...options }, signal }),
  );
}

/** Writes another answer beside `messageId`. */
export async function regenerate(chatId: string, messageId: string, options: AnswerOptions): Promise<boolean> {
  return write(chatId, null, (signal) =>
    stream('regenerate', { params: { id: chatId, message_id: messageId }, body: options, signal }),
  );
}

/** Asks the server to stop; when it does not react within 3 s the connection is cut. */
export async function stopAnswer(chatId: string): Promise<void> {
  const active = chats.get().streams[chatId];
  if (!active || active.stopping) return;
  changeStream(chatId, { stopping: true });
  const cut = setTimeout(() => active.abort.abort(), 3000);
  active.abort.signal.addEventListener('abort', () => clearTimeout(cut));
  await call('stop', { params: { id: chatId } }).catch(() => active.abort.abort());
}

export async function stopAllStreams(): Promise<void> {
  await Promise.all(Object.keys(chats.get().streams).map((id) => stopAnswer(id)));
}

async function write(
  chatId: string,
  pending: ActiveStream['pending'],
  open: (signal: AbortSignal) => AsyncGenerator<ServerEvent>,
): Promise<boolean> {
  if (chats.get().streams[chatId]) return false;
  const active: ActiveStream = {
    pending,
    assistantId: null,
    live: createLiveText(),
    abort: new AbortController(),
    stopping: false,
    startedAt: performance.now(),
  };
  chats.set((present) => ({
    ...present,
    streams: { ...present.streams, [chatId]: active },
    failures: without(present.failures, chatId),
  }));
  let failure: unknown = null;
  let ended = false;
  try {
    for await (const event of open(active.abort.signal)) ended = take(chatId, active, event) || ended;
    if (!ended) failure = new ApiError('unreachable', 0, 'The answer broke off before it was finished.');
  } catch (error) {
    failure = error;
  }
  return finish(chatId, active, ended ? null : failure);
}

/** Handles one event of an answer; true for the last one. Unknown events are data we do not know, never commands. */
function take(chatId: string, active: ActiveStream, event: ServerEvent): boolean {
  const data = JSON.parse(event.data) as {
    user?: ChatMessage;
    assistant?: ChatMessage;
    text?: string;
    message?: ChatMessage;
    problem?: { detail?: string };
  };
  if (event.event === 'message' && data.assistant) {
    putMessages(chatId, [data.user, data.assistant], data.assistant.id);
    changeStream(chatId, { pending: null, assistantId: data.assistant.id });
    void refreshChats();
  } else if (event.event === 'delta' && typeof data.text === 'string') {
    active.live.append(data.text);
  } else if (event.event === 'done' || event.event === 'error') {
    if (data.message) putMessages(chatId, [data.message], data.message.id);
    if (event.event === 'error')
      fail(chatId, sentence(data.problem?.detail ?? 'The answer could not be finished.'), data.message?.id ?? null);
    return true;
  }
  return false;
}

async function finish(chatId: string, active: ActiveStream, failure: unknown): Promise<boolean> {
  active.live.finish();
  const assistantId = chats.get().streams[chatId]?.assistantId ?? null;
  if (failure !== null && assistantId !== null) {
    const stopped = active.abort.signal.aborted;
    patchMessage(chatId, assistantId, { content: active.live.all(), state: stopped ? 'stopped' : 'interrupted' });
    if (!stopped) fail(chatId, messageOf(failure), assistantId);
  }
  chats.set((present) => ({ ...present, streams: without(present.streams, chatId) }));
  if (!chats.get().open[chatId]) return true;
  // The stored text is the truth; without a connection what arrived stays on show.
  if (failure !== null) await openChat(chatId).catch(() => undefined);
  await refreshChats();
  if (failure !== null && assistantId === null && !active.abort.signal.aborted) fail(chatId, messageOf(failure), null);
  return assistantId !== null;
}

function fail(chatId: string, reason: string, messageId: string | null): void {
  chats.set((present) => ({ ...present, failures: { ...present.failures, [chatId]: { reason, messageId } } }));
}

function put(chat: Chat): void {
  chats.set((present) => ({ ...present, open: { ...present.open, [chat.id]: chat } }));
}

function putMessages(chatId: string, given: readonly (ChatMessage | undefined)[], headId: string): void {
  const chat = chats.get().open[chatId];
  if (!chat) return;
  const fresh = given.filter((message) => message !== undefined);
  const ids = new Set(fresh.map((message) => message.id));
  put({ ...chat, head_id: headId, messages: [...chat.messages.filter((message) => !ids.has(message.id)), ...fresh] });
}

function patchMessage(chatId: string, id: string, change: Partial<ChatMessage>): void {
  const chat = chats.get().open[chatId];
  if (!chat) return;
  put({
    ...chat,
    messages: chat.messages.map((message) => (message.id === id ? { ...message, ...change } : message)),
  });
}

function changeStream(chatId: string, change: Partial<ActiveStream>): void {
  chats.set((present) => {
    const active = present.streams[chatId];
    return active
      ? { ...present, streams: { ...present.streams, [chatId]: Object.assign({}, active, change) } }
      : present;
  });
}

function without<T>(record: Record<string, T>, key: string): Record<string, T> {
  const { [key]: _, ...rest } = record;
  return rest;
}
