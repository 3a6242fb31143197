import { type Chat, type ChatMessage, Problem } from '@secai/contracts';
import { type EventStream, type Logger, problemDocument } from '@secai/kit';
import type { Chats } from './chats.ts';
import { readCompletion } from './completion-stream.ts';
import { DeltaWriter } from './delta-writer.ts';
import { Draft } from './draft.ts';
import { storable } from './text.ts';
import type { Upstream } from './upstream.ts';

/** Far beyond any context window; an engine that never stops is cut here. */
const MAX_ANSWER = 2_000_000;

export interface Question {
  chatId: string;
  /** The rows made for this answer; `assistant` is filled while it streams. */
  user?: ChatMessage;
  assistant: ChatMessage;
  /** OpenAI chat completion request. */
  request: object;
  requestId: string;
  /** Aborts when the reader goes away or the service stops. */
  signal: AbortSignal;
}

interface Running {
  stop: AbortController;
  answer: ChatMessage | null;
  done: Promise<void>;
  finish: () => void;
}

/** The answers being written: at most one per chat, each kept in the store while it grows. */
export class Answering {
  readonly #chats: Chats;
  readonly #worker: Upstream;
  readonly #address: string;
  readonly #logger: Logger;
  readonly #running = new Map<string, Running>();

  /** `address` is the worker's chat completion endpoint. */
  constructor(chats: Chats, worker: Upstream, address: string, logger: Logger) {
    this.#chats = chats;
    this.#worker = worker;
    this.#address = address;
    this.#logger = logger;
  }

  /** Reserves the chat for one answer. Throws `conflict` while another one is being written. Release it in any case. */
  reserve(chatId: string): Disposable {
    if (this.#running.has(chatId))
      throw new Problem('conflict', 'an answer is being written in this chat; wait for it or stop it first');
    const { promise, resolve } = Promise.withResolvers<void>();
    const running: Running = { stop: new AbortController(), answer: null, done: promise, finish: resolve };
    this.#running.set(chatId, running);
    return { [Symbol.dispose]: () => this.#release(chatId, running) };
  }

  #release(chatId: string, running: Running): void {
    if (this.#running.get(chatId) === running) this.#running.delete(chatId);
    running.finish();
  }

  /** Stops the answer being written and waits until what is there is kept. False when there is none. */
  async stop(chatId: string): Promise<boolean> {
    const running = this.#running.get(chatId);
    if (!running) return false;
    running.stop.abort();
    await running.done;
    return true;
  }

  /** Resolves when nothing is being written any more. */
  async idle(): Promise<void> {
    await Promise.all([...this.#running.values()].map(({ done }) => done));
  }

  /** The chat as its reader should see it: a growing answer up to the last word, one that nobody writes as interrupted. */
  shown(chat: Chat): Chat {
    const live = this.#running.get(chat.id)?.answer;
    const messages = chat.messages.map((message): ChatMessage => {
      if (message.state !== 'streaming') return message;
      return message.id === live?.id ? { ...live } : { ...message, state: 'interrupted' };
    });
    return { ...chat, messages };
  }

  /** Streams the answer to a reserved question to the reader and into the store. Never throws: the stream tells what went wrong. */
  async answer(question: Question, reader: EventStream): Promise<void> {
    const running = this.#running.get(question.chatId)!;
    const message = question.assistant;
    running.answer = message;
    const draft = new Draft(
      () => this.#chats.saveAnswer(message),
      (error) => this.#logger.error({ err: error, message_id: message.id }, 'answer_not_saved'),
    );
    const deltas = new DeltaWriter(reader);
    let problem: Problem | null = null;
    try {
      await reader.send('message', { ...(question.user && { user: question.user }), assistant: message });
      await this.#stream(question, AbortSignal.any([question.signal, running.stop.signal]), (text) => {
        draft.grew();
        deltas.write(text);
      });
      message.state = 'complete';
    } catch (error) {
      message.state = running.stop.signal.aborted && !question.signal.aborted ? 'stopped' : 'interrupted';
      if (message.state === 'interrupted' && !question.signal.aborted) problem = this.#problemOf(error);
    }
    await draft.close();
    try {
      await this.#chats.saveAnswer(message);
    } catch (error) {
      // The row stays `streaming`, which reads as interrupted, with the text of the last write that worked.
      this.#logger.error({ err: error as Error, message_id: message.id }, 'answer_not_saved');
      message.state = 'interrupted';
      problem ??= this.#problemOf(error);
    }
    // From here on only the reader is waited for; the chat is free, however slow that one is.
    this.#release(question.chatId, running);
    await deltas.flushed();
    if (problem) await reader.send('error', { problem: problemDocument(problem, question.requestId), message });
    else await reader.send('done', { message });
    reader.close();
  }

  async #stream(question: Question, signal: AbortSignal, grew: (text: string) => void): Promise<void> {
    signal.throwIfAborted();
    const message = question.assistant;
    const asked = performance.now();
    let first = 0;
    const answer = await this.#worker.send({
      method: 'POST',
      url: this.#address,
      body: Buffer.from(JSON.stringify(question.request)),
      accept: 'text/event-stream',
      signal,
    });
    if (answer.statusCode !== 200) throw await this.#worker.refusal(answer);
    for await (const event of readCompletion(answer)) {
      if (event.type === 'text') {
        first ||= performance.now();
        const text = storable(event.text);
        message.content += text;
        if (message.content.length > MAX_ANSWER)
          throw new Problem('engine_failed', 'the model did not stop; its answer was cut');
        grew(text);
      } else {
        const seconds = (performance.now() - (first || asked)) / 1000;
        message.stats = {
          prompt_tokens: event.promptTokens,
          completion_tokens: event.completionTokens,
          first_token_ms: round((first || performance.now()) - asked),
          // The first token's time belongs to the prompt.
          tokens_per_second: seconds > 0 ? round(Math.max(0, event.completionTokens - 1) / seconds) : 0,
        };
      }
    }
  }

  #problemOf(error: unknown): Problem {
    if (error instanceof Problem) return error;
    this.#logger.error({ err: error as Error }, 'answer_failed');
    return new Problem('internal', 'the answer met an error nobody expected; the log of the ui has the details');
  }
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
