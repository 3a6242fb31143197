import { randomUUID } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import type { Generated, Piece } from './generate.ts';

/** Writes one answer in OpenAI's shape, streamed or whole. */
export interface AnswerWriter {
  piece(piece: Piece): void;
  finish(result: Generated): void;
  /** True once something was sent: an error can then no longer change the status. */
  readonly started: boolean;
}

export interface AnswerOptions {
  readonly kind: 'chat' | 'text';
  readonly model: string;
  /** Seconds since 1970. */
  readonly created: number;
  readonly stream: boolean;
  readonly includeUsage: boolean;
  /** Text that a completion repeats before its own. */
  readonly echo?: string;
}

export function answerWriter(response: ServerResponse, options: AnswerOptions): AnswerWriter {
  return options.stream ? streaming(response, options) : whole(response, options);
}

export function sendJson(response: ServerResponse, status: number, body: unknown): void {
  const text = JSON.stringify(body);
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) });
  response.end(text);
}

function streaming(response: ServerResponse, options: AnswerOptions): AnswerWriter {
  const chat = options.kind === 'chat';
  const head = {
    id: identifier(options),
    object: chat ? 'chat.completion.chunk' : 'text_completion',
    created: options.created,
    model: options.model,
  };
  let started = false;

  function send(choices: unknown[], usage?: unknown): void {
    const extra = options.includeUsage ? { usage: usage ?? null } : {};
    response.write(`data: ${JSON.stringify({ ...head, choices, ...extra })}\n\n`);
  }

  function delta(value: unknown, finish: string | null = null): void {
    send([{ index: 0, ...(chat ? { delta: value } : (value as object)), logprobs: null, finish_reason: finish }]);
  }

  function start(): void {
    if (started) return;
    started = true;
    response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-store' });
    if (chat) delta({ role: 'assistant', content: '' });
    else if (options.echo !== undefined) delta({ text: options.echo });
  }

  return {
    get started() {
      return started;
    },
    piece(piece) {
      start();
      if (!chat) {
        if (piece.kind !== 'call') delta({ text: piece.text });
      } else if (piece.kind === 'text') delta({ content: piece.text });
      else if (piece.kind === 'thought') delta({ reasoning_content: piece.text });
      else delta({ tool_calls: [{ index: piece.index, ...toolCall(piece) }] });
    },
    finish(result) {
      start();
      delta(chat ? {} : { text: '' }, result.finishReason);
      if (options.includeUsage) send([], usageOf(result));
      response.end('data: [DONE]\n\n');
    },
  };
}

function whole(response: ServerResponse, options: AnswerOptions): AnswerWriter {
  let text = options.echo ?? '';
  let thought = '';
  const calls: ReturnType<typeof toolCall>[] = [];
  return {
    started: false,
    piece(piece) {
      if (piece.kind === 'text') text += piece.text;
      else if (piece.kind === 'thought') thought += piece.text;
      else calls.push(toolCall(piece));
    },
    finish(result) {
      const message = {
        role: 'assistant',
        content: text === '' && calls.length > 0 ? null : text,
        refusal: null,
        ...(thought === '' ? {} : { reasoning_content: thought }),
        ...(calls.length === 0 ? {} : { tool_calls: calls }),
      };
      const end = { logprobs: null, finish_reason: result.finishReason };
      sendJson(response, 200, {
        id: identifier(options),
        object: options.kind === 'chat' ? 'chat.completion' : 'text_completion',
        created: options.created,
        model: options.model,
        choices: [options.kind === 'chat' ? { index: 0, message, ...end } : { index: 0, text, ...end }],
        usage: usageOf(result),
      });
    },
  };
}

function toolCall(piece: Extract<Piece, { kind: 'call' }>) {
  const id = `call_${randomUUID().replaceAll('-', '')}`;
  return { id, type: 'function' as const, function: { name: piece.name, arguments: piece.arguments } };
}

function identifier(options: AnswerOptions): string {
  return `${options.kind === 'chat' ? 'chatcmpl' : 'cmpl'}-${randomUUID().replaceAll('-', '')}`;
}

function usageOf(result: Generated) {
  return {
    prompt_tokens: result.promptTokens,
    completion_tokens: result.completionTokens,
    total_tokens: result.promptTokens + result.completionTokens,
    prompt_tokens_details: { cached_tokens: result.cachedTokens },
  };
}
