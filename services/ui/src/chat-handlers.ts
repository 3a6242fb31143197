import { type ChatMessage, Problem, type ui } from '@secai/contracts';
import { type HandlerContext, type Handlers, openEventStream } from '@secai/kit';
import { attachment, exportMarkdown } from './export.ts';
import type { Parts } from './parts.ts';
import { allowFlow } from './sensitivity.ts';

type Routes = (typeof ui)['routes'];
type ChatHandlers = Pick<
  Handlers<Routes>,
  'chats' | 'createChat' | 'chat' | 'updateChat' | 'deleteChat' | 'send' | 'regenerate' | 'stop' | 'exportChat'
>;
type AnswerOptions = HandlerContext<Routes['regenerate']>['body'];

/** Chats: kept in the store, answered by the inference worker, shown as a tree of messages. */
export function chatHandlers(parts: Parts): ChatHandlers {
  const { chats, answering, audit } = parts;
  return {
    chats: async ({ query }) => ({ chats: await chats.list(query.q) }),
    createChat: ({ body }) => chats.create(body.model ?? null, body.system_prompt ?? ''),
    chat: async ({ params }) => answering.shown(await chats.get(params.id)),
    async updateChat({ params, body }) {
      await chats.update(params.id, body);
      return answering.shown(await chats.get(params.id));
    },
    async deleteChat({ params }) {
      await chats.systemPrompt(params.id);
      await audit.append({ event: 'chat_deleted', chat_id: params.id });
      await answering.stop(params.id);
      await chats.delete(params.id);
      return { deleted: params.id };
    },
    send: (context) => send(parts, context),
    regenerate: (context) => regenerate(parts, context),
    stop: async ({ params }) => ({ stopped: await answering.stop(params.id) }),
    async exportChat({ params, res }) {
      const chat = answering.shown(await chats.get(params.id));
      const branch = await chats.branch(params.id, chat.head_id);
      res.setHeader('content-type', 'text/markdown; charset=utf-8');
      res.setHeader('content-disposition', attachment(chat.title));
      res.end(exportMarkdown(chat, branch));
      return undefined;
    },
  };
}

async function send(parts: Parts, context: HandlerContext<Routes['send']>): Promise<undefined> {
  const { chats, answering } = parts;
  const { content, parent_id, ...options } = context.body;
  const chatId = context.params.id;
  using _reserved = answering.reserve(chatId);
  const [systemPrompt, history, allowed] = await Promise.all([
    chats.systemPrompt(chatId),
    chats.branch(chatId, parent_id),
    allow(parts, options.model, parent_id === null),
  ]);
  if (history.length > 0 && history.at(-1)!.role !== 'assistant')
    throw new Problem('invalid_field', 'body.parent_id: a message follows an answer, or starts the chat with null');
  const [{ user, assistant }] = await Promise.all([
    chats.ask(chatId, parent_id, content, options.model),
    allowed.record(),
  ]);
  const stream = openEventStream(context.res);
  await answering.answer(
    {
      chatId,
      user,
      assistant,
      request: completionRequest(systemPrompt, [...history, user], options),
      requestId: context.requestId,
      signal: context.signal,
    },
    stream,
  );
  return undefined;
}

async function regenerate(parts: Parts, context: HandlerContext<Routes['regenerate']>): Promise<undefined> {
  const { chats, answering } = parts;
  const { id: chatId, message_id: messageId } = context.params;
  const options = context.body;
  using _reserved = answering.reserve(chatId);
  const [systemPrompt, branch, allowed] = await Promise.all([
    chats.systemPrompt(chatId),
    chats.branch(chatId, messageId),
    allow(parts, options.model, false),
  ]);
  const history = branch.at(-1)!.role === 'assistant' ? branch.slice(0, -1) : branch;
  const question = history.at(-1);
  if (question?.role !== 'user') throw new Problem('conflict', 'there is no question above this message');
  const [assistant] = await Promise.all([chats.askAgain(chatId, question.id, options.model), allowed.record()]);
  const stream = openEventStream(context.res);
  await answering.answer(
    {
      chatId,
      assistant,
      request: completionRequest(systemPrompt, history, options),
      requestId: context.requestId,
      signal: context.signal,
    },
    stream,
  );
  return undefined;
}

/** The model exists, and the policy lets the text reach it. */
async function allow(parts: Parts, model: string, ownWordsOnly: boolean) {
  const [allowed] = await Promise.all([
    allowFlow(parts, {
      integrity: ownWordsOnly ? 'trusted' : 'untrusted',
      sinks: ['local-model'],
      model,
      via: 'page',
    }),
    parts.modelNames.require(model),
  ]);
  return allowed;
}

function completionRequest(systemPrompt: string, history: readonly ChatMessage[], options: AnswerOptions): object {
  const { model, ...sampling } = options;
  return {
    model,
    ...sampling,
    messages: [
      ...(systemPrompt === '' ? [] : [{ role: 'system', content: systemPrompt }]),
      ...history.map(({ role, content }) => ({ role, content })),
    ],
    stream: true,
    stream_options: { include_usage: true },
  };
}
