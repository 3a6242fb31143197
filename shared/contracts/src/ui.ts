import * as z from 'zod';
import { idParams, modelName, nameParams, timestamp, uuid } from './common.ts';
import { defineContract } from './contract.ts';
import { inferenceStatus } from './inference-worker.ts';
import { quarantineJob } from './quarantine.ts';
import { model } from './registry.ts';

const passphrase = z.string().min(12, 'use at least 12 characters').max(1024);
const sentPassphrase = z.string().min(1).max(1024);

export const sessionState = z.object({
  /** `setup`: no passphrase yet; `locked`: log in; `open`: logged in. */
  state: z.enum(['setup', 'locked', 'open']),
  /** To be sent back as `x-secai-csrf` with every request that changes something; only when open. */
  csrf_token: z.string().nullable(),
  mode: z.enum(['evaluation', 'vm', 'hardware']),
  version: z.string(),
});

export const chatMessage = z.object({
  id: uuid,
  parent_id: uuid.nullable(),
  role: z.enum(['user', 'assistant']),
  content: z.string(),
  /** complete: whole answer; stopped: cut short by the person; interrupted: the stream or engine broke; streaming: being written. */
  state: z.enum(['complete', 'stopped', 'interrupted', 'streaming']),
  model: z.string().nullable(),
  /** Facts of the answer, shown under it. */
  stats: z
    .object({
      prompt_tokens: z.number().int(),
      completion_tokens: z.number().int(),
      first_token_ms: z.number(),
      tokens_per_second: z.number(),
    })
    .nullable(),
  created_at: timestamp,
});
export type ChatMessage = z.infer<typeof chatMessage>;

export const chatSummary = z.object({
  id: uuid,
  title: z.string(),
  model: z.string().nullable(),
  created_at: timestamp,
  updated_at: timestamp,
  pinned: z.boolean(),
});
export type ChatSummary = z.infer<typeof chatSummary>;

/** All messages as a tree by parent_id; `head_id` is the newest message of the branch on show. */
export const chat = chatSummary.extend({
  head_id: uuid.nullable(),
  system_prompt: z.string(),
  messages: z.array(chatMessage),
});
export type Chat = z.infer<typeof chat>;

export const apiKey = z.object({
  id: uuid,
  name: z.string(),
  prefix: z.string(),
  created_at: timestamp,
  last_used_at: timestamp.nullable(),
});

const answerOptions = {
  model: modelName,
  temperature: z.number().min(0).max(2).optional(),
  top_p: z.number().min(0).max(1).optional(),
  max_tokens: z.number().int().min(1).max(32768).optional(),
};
const keyName = z.string().trim().min(1).max(60);
const session = { auth: 'session' } as const;

export const ui = defineContract('ui', {
  session: {
    method: 'GET',
    path: '/api/session',
    auth: 'open',
    summary: 'What the page should show: set-up, login or the app',
    response: sessionState,
  },
  setup: {
    method: 'POST',
    path: '/api/setup',
    auth: 'open',
    summary: 'Choose the passphrase, once',
    body: z.strictObject({ passphrase }),
    response: sessionState,
    status: 201,
  },
  login: {
    method: 'POST',
    path: '/api/login',
    auth: 'open',
    summary: 'Open a session (cookie)',
    body: z.strictObject({ passphrase: sentPassphrase }),
    response: sessionState,
  },
  logout: { method: 'POST', path: '/api/logout', ...session, summary: 'Close this session', response: sessionState },
  changePassphrase: {
    method: 'POST',
    path: '/api/passphrase',
    ...session,
    summary: 'Change the passphrase; closes all other sessions',
    body: z.strictObject({ current: sentPassphrase, passphrase }),
    response: sessionState,
  },

  models: {
    method: 'GET',
    path: '/api/models',
    ...session,
    summary: 'Models, import jobs and the engine in one answer',
    response: z.object({
      models: z.array(model),
      jobs: z.array(quarantineJob),
      engine: inferenceStatus.nullable(),
      problems: z.array(z.string()),
    }),
  },
  importModel: {
    method: 'POST',
    path: '/api/models/import',
    ...session,
    rawBody: true,
    summary: 'Upload a model file (multipart: name?, file) into quarantine',
    response: quarantineJob,
    status: 202,
  },
  importJob: {
    method: 'GET',
    path: '/api/models/jobs/:id',
    ...session,
    params: idParams,
    summary: 'One import job',
    response: quarantineJob,
  },
  importEvents: {
    method: 'GET',
    path: '/api/models/jobs/:id/events',
    ...session,
    params: idParams,
    stream: true,
    summary: 'Server-sent events `job` with the whole job',
  },
  cancelImport: {
    method: 'DELETE',
    path: '/api/models/jobs/:id',
    ...session,
    params: idParams,
    summary: 'Cancel an import, or forget a finished one',
    response: quarantineJob,
  },
  removeModel: {
    method: 'DELETE',
    path: '/api/models/:name',
    ...session,
    params: nameParams,
    summary: 'Remove a model',
    response: z.object({ removed: modelName }),
  },
  verifyModel: {
    method: 'POST',
    path: '/api/models/:name/verify',
    ...session,
    params: nameParams,
    summary: 'Hash the stored file again; answers when done',
    response: z.object({ matches: z.boolean(), detail: z.string() }),
  },

  chats: {
    method: 'GET',
    path: '/api/chats',
    ...session,
    query: z.strictObject({ q: z.string().max(200).optional() }),
    summary: 'Chats, newest first; with q: full-text search over titles and messages',
    response: z.object({ chats: z.array(chatSummary.extend({ snippet: z.string().nullable() })) }),
  },
  createChat: {
    method: 'POST',
    path: '/api/chats',
    ...session,
    body: z.strictObject({ model: modelName.optional(), system_prompt: z.string().max(32768).optional() }),
    summary: 'Start a chat',
    response: chat,
    status: 201,
  },
  chat: {
    method: 'GET',
    path: '/api/chats/:id',
    ...session,
    params: idParams,
    summary: 'One chat with its messages',
    response: chat,
  },
  updateChat: {
    method: 'PATCH',
    path: '/api/chats/:id',
    ...session,
    params: idParams,
    summary: 'Rename, pin, change system prompt or the branch on show',
    body: z.strictObject({
      title: z.string().trim().min(1).max(200).optional(),
      pinned: z.boolean().optional(),
      system_prompt: z.string().max(32768).optional(),
      head_id: uuid.optional(),
    }),
    response: chat,
  },
  deleteChat: {
    method: 'DELETE',
    path: '/api/chats/:id',
    ...session,
    params: idParams,
    summary: 'Delete a chat and its messages',
    response: z.object({ deleted: uuid }),
  },
  /**
   * Streams server-sent events: `message` {user?: ChatMessage, assistant: ChatMessage} first, `delta` {text}, and last
   * `done` {message: ChatMessage} or `error` {problem, message: ChatMessage}. A lost connection keeps what was written as `interrupted`.
   */
  send: {
    method: 'POST',
    path: '/api/chats/:id/messages',
    ...session,
    params: idParams,
    stream: true,
    summary: 'Send a message, stream the answer',
    body: z.strictObject({ content: z.string().min(1).max(200_000), parent_id: uuid.nullable(), ...answerOptions }),
  },
  regenerate: {
    method: 'POST',
    path: '/api/chats/:id/messages/:message_id/regenerate',
    ...session,
    stream: true,
    params: z.strictObject({ id: uuid, message_id: uuid }),
    summary: 'Answer the same message again, beside the first answer',
    body: z.strictObject(answerOptions),
  },
  stop: {
    method: 'POST',
    path: '/api/chats/:id/stop',
    ...session,
    params: idParams,
    summary: 'Stop the answer being written; keeps what is there',
    response: z.object({ stopped: z.boolean() }),
  },
  exportChat: {
    method: 'GET',
    path: '/api/chats/:id/export',
    ...session,
    params: idParams,
    stream: true,
    summary: 'The chat as a Markdown file',
  },

  keys: {
    method: 'GET',
    path: '/api/keys',
    ...session,
    summary: 'API keys',
    response: z.object({ keys: z.array(apiKey) }),
  },
  createKey: {
    method: 'POST',
    path: '/api/keys',
    ...session,
    body: z.strictObject({ name: keyName }),
    summary: 'Make an API key; its secret is in this answer only',
    response: apiKey.extend({ secret: z.string() }),
    status: 201,
  },
  deleteKey: {
    method: 'DELETE',
    path: '/api/keys/:id',
    ...session,
    params: idParams,
    summary: 'Revoke an API key',
    response: z.object({ deleted: uuid }),
  },
  operatorCreateKey: {
    method: 'POST',
    path: '/v1/keys',
    scope: 'keys',
    body: z.strictObject({ name: keyName }),
    summary: 'Make an API key from the command line',
    response: apiKey.extend({ secret: z.string() }),
    status: 201,
  },

  system: {
    method: 'GET',
    path: '/api/system',
    ...session,
    summary: 'State of the services, for the system page',
    response: z.object({
      mode: z.enum(['evaluation', 'vm', 'hardware']),
      version: z.string(),
      started_at: timestamp,
      services: z.array(
        z.object({
          name: z.string(),
          summary: z.string(),
          /** null: reached through a unix socket */
          port: z.number().int().nullable(),
          ready: z.boolean(),
          detail: z.string(),
        }),
      ),
      decisions: z.array(
        z.object({
          time: timestamp,
          caller: z.string(),
          domain: z.string(),
          action: z.string(),
          resource: z.string(),
          decision: z.enum(['allow', 'deny', 'ask']),
          reason: z.string(),
        }),
      ),
      notices: z.array(z.string()),
    }),
  },

  apiChat: {
    method: 'POST',
    path: '/v1/chat/completions',
    auth: 'key',
    rawBody: true,
    stream: true,
    summary: 'OpenAI chat completion',
  },
  apiComplete: {
    method: 'POST',
    path: '/v1/completions',
    auth: 'key',
    rawBody: true,
    stream: true,
    summary: 'OpenAI text completion',
  },
  apiEmbed: {
    method: 'POST',
    path: '/v1/embeddings',
    auth: 'key',
    rawBody: true,
    stream: true,
    summary: 'OpenAI embeddings',
  },
  apiModels: { method: 'GET', path: '/v1/models', auth: 'key', stream: true, summary: 'OpenAI model list' },
});
