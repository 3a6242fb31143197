import { invalid } from './errors.ts';
import { Fields } from './fields.ts';
import { readSampling, type Sampling } from './sampling.ts';
import { type GrammarSchema, grammarSchema } from './schema.ts';

export interface ToolCall {
  readonly id: string;
  readonly type: 'function';
  /** `arguments` is JSON text, as on the wire. */
  readonly function: { readonly name: string; readonly arguments: string };
}

export type Message =
  | { readonly role: 'system' | 'user'; readonly content: string }
  | { readonly role: 'assistant'; readonly content: string; readonly tool_calls?: readonly ToolCall[] }
  | { readonly role: 'tool'; readonly content: string; readonly tool_call_id: string };

export interface Tool {
  readonly type: 'function';
  readonly function: { readonly name: string; readonly description?: string; readonly parameters?: GrammarSchema };
}

export type ResponseFormat =
  | { readonly type: 'text' }
  | { readonly type: 'json_object' }
  | { readonly type: 'json_schema'; readonly json_schema: { readonly name: string; readonly schema: GrammarSchema } };

/** POST /v1/chat/completions after checking: wire names, defaults filled in, nothing unknown. */
export interface ChatRequest extends Sampling {
  readonly model: string;
  readonly messages: readonly Message[];
  readonly tools: readonly Tool[];
  readonly tool_choice: 'auto' | 'none';
  readonly parallel_tool_calls: boolean;
  readonly response_format: ResponseFormat;
}

const NAME = /^[A-Za-z0-9_-]{1,64}$/;

/** Checks the body of a chat completion. Throws RequestError naming the field at fault. */
export function parseChatRequest(body: unknown): ChatRequest {
  const fields = new Fields(body);
  const model = fields.text('model', 300) ?? '';
  const messages = fields.array('messages', 10_000);
  if (messages === undefined || messages.length === 0) {
    throw invalid('messages', 'messages must hold at least one message.', 'missing_field');
  }
  const request: ChatRequest = {
    model,
    messages: pairToolMessages(messages.map((message, index) => readMessage(message, `messages[${index}]`))),
    tools: (fields.array('tools', 128) ?? []).map((tool, index) => readTool(tool, `tools[${index}]`)),
    tool_choice: readToolChoice(fields),
    parallel_tool_calls: fields.boolean('parallel_tool_calls') ?? true,
    response_format: readFormat(fields),
    ...readSampling(fields),
  };
  fields.done();
  const names = request.tools.map((tool) => tool.function.name);
  if (new Set(names).size !== names.length) throw invalid('tools', 'Two tools have the same name.');
  if (names.length > 0 && request.tool_choice === 'auto' && request.response_format.type !== 'text') {
    throw invalid('response_format', 'tools and a JSON response_format cannot be combined.', 'unsupported_parameter');
  }
  return request;
}

function readMessage(value: unknown, where: string): Message {
  const fields = new Fields(value, where);
  const role = fields.oneOf('role', ['system', 'developer', 'user', 'assistant', 'tool']);
  if (role === undefined) throw invalid(fields.name('role'), `${where}.role is missing.`, 'missing_field');
  fields.ignore('name');
  if (role === 'assistant') {
    fields.ignore('refusal', 'reasoning_content', 'reasoning', 'annotations', 'audio', 'function_call');
    const calls = fields.array('tool_calls', 128)?.map((call, at) => readCall(call, `${where}.tool_calls[${at}]`));
    const content = fields.raw('content') === undefined ? '' : readContent(fields);
    fields.done();
    return { role, content, ...(calls === undefined || calls.length === 0 ? {} : { tool_calls: calls }) };
  }
  const content = readContent(fields);
  if (role === 'tool') {
    const id = fields.requiredText('tool_call_id', 200);
    fields.done();
    return { role, content, tool_call_id: id };
  }
  fields.done();
  return { role: role === 'developer' ? 'system' : role, content };
}

function readContent(fields: Fields): string {
  const raw = fields.raw('content');
  if (!Array.isArray(raw)) return fields.requiredText('content');
  const parts = raw.map((part, index) => {
    const where = `${fields.name('content')}[${index}]`;
    const inner = new Fields(part, where);
    if (inner.raw('type') !== 'text') {
      throw invalid(where, `${where}: this engine reads text only, no images, sound or files.`, 'unsupported_content');
    }
    const text = inner.requiredText('text');
    inner.ignore('cache_control');
    inner.done();
    return text;
  });
  return parts.join('\n');
}

function readCall(value: unknown, where: string): ToolCall {
  const fields = new Fields(value, where);
  fields.oneOf('type', ['function']);
  fields.ignore('index');
  const call = fields.object('function');
  if (call === undefined) throw invalid(`${where}.function`, `${where}.function is missing.`, 'missing_field');
  const text = call.requiredText('arguments');
  try {
    JSON.parse(text === '' ? '{}' : text);
  } catch {
    throw invalid(call.name('arguments'), `${call.name('arguments')} must be JSON text.`);
  }
  const id = fields.requiredText('id', 200);
  const result: ToolCall = { id, type: 'function', function: { name: readName(call), arguments: text } };
  call.done();
  fields.done();
  return result;
}

/** Every tool call must be answered by a message directly after it, and every answer belong to a call. */
function pairToolMessages(messages: readonly Message[]): readonly Message[] {
  let open = new Set<string>();
  for (const [index, message] of messages.entries()) {
    if (message.role === 'tool') {
      if (open.delete(message.tool_call_id)) continue;
      const where = `messages[${index}].tool_call_id`;
      throw invalid(where, `${where} answers no tool call before it.`);
    }
    if (open.size > 0) break;
    if (message.role === 'assistant') open = new Set(message.tool_calls?.map((call) => call.id));
  }
  if (open.size > 0) {
    throw invalid('messages', `The tool calls ${[...open].join(', ')} have no message with their result.`);
  }
  return messages;
}

function readTool(value: unknown, where: string): Tool {
  const fields = new Fields(value, where);
  fields.oneOf('type', ['function']);
  const inner = fields.object('function');
  if (inner === undefined) throw invalid(`${where}.function`, `${where}.function is missing.`, 'missing_field');
  const description = inner.text('description', 20_000);
  const parameters = inner.raw('parameters');
  inner.ignore('strict');
  const name = readName(inner);
  inner.done();
  fields.done();
  const schema = parameters === undefined ? undefined : grammarSchema(parameters, inner.name('parameters'));
  const optional = { ...(description === undefined ? {} : { description }) };
  return { type: 'function', function: { name, ...optional, ...(schema === undefined ? {} : { parameters: schema }) } };
}

function readName(fields: Fields): string {
  const name = fields.requiredText('name');
  if (NAME.test(name)) return name;
  throw invalid(fields.name('name'), `${fields.name('name')} must be 1 to 64 letters, digits, - or _.`);
}

function readToolChoice(fields: Fields): 'auto' | 'none' {
  const value = fields.raw('tool_choice');
  if (value === undefined || value === 'auto') return 'auto';
  if (value === 'none') return 'none';
  const why = 'tool_choice must be auto or none: this engine cannot force a tool call.';
  throw invalid('tool_choice', why, 'unsupported_parameter');
}

function readFormat(fields: Fields): ResponseFormat {
  const format = fields.object('response_format');
  const type = format?.oneOf('type', ['text', 'json_object', 'json_schema']);
  if (format === undefined || type === undefined) return { type: 'text' };
  if (type !== 'json_schema') {
    format.done();
    return { type };
  }
  const inner = format.object('json_schema');
  if (inner === undefined) throw invalid('response_format.json_schema', 'response_format.json_schema is missing.');
  const schema = grammarSchema(inner.raw('schema'), 'response_format.json_schema.schema');
  const name = inner.text('name', 64) ?? 'schema';
  inner.ignore('strict', 'description');
  inner.done();
  format.done();
  return { type, json_schema: { name, schema } };
}
