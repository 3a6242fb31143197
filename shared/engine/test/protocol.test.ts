import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseChatRequest, parseCompletionRequest, parseEmbeddingRequest, RequestError } from '../src/index.ts';
import { checkedBody } from '../src/wire.ts';

const messages = [{ role: 'user', content: 'hi' }];

function refusal(body: unknown, parse: (body: unknown) => unknown = parseChatRequest): RequestError {
  try {
    parse(body);
  } catch (error) {
    expect(error).toBeInstanceOf(RequestError);
    return error as RequestError;
  }
  throw new Error(`accepted: ${JSON.stringify(body)}`);
}

describe('what is refused', () => {
  it.each([
    [{}, 'messages', 'missing_field'],
    [{ messages: [] }, 'messages', 'missing_field'],
    [{ messages, n_discard: -1 }, 'n_discard', 'unknown_parameter'],
    [{ messages, temperature: -0.1 }, 'temperature', 'invalid_value'],
    [{ messages, temperature: '1' }, 'temperature', 'invalid_value'],
    [{ messages, top_p: 0 }, 'top_p', 'invalid_value'],
    [{ messages, top_k: 1.5 }, 'top_k', 'invalid_value'],
    [{ messages, max_tokens: 0 }, 'max_tokens', 'invalid_value'],
    [{ messages, max_completion_tokens: 2 ** 53 }, 'max_completion_tokens', 'invalid_value'],
    [{ messages, seed: 0.5 }, 'seed', 'invalid_value'],
    [{ messages, n: 2 }, 'n', 'unsupported_parameter'],
    [{ messages, logprobs: true }, 'logprobs', 'unsupported_parameter'],
    [{ messages, logit_bias: { 1: 5 } }, 'logit_bias', 'unsupported_parameter'],
    [{ messages, stop: '' }, 'stop', 'invalid_value'],
    [{ messages, stop: Array(17).fill('x') }, 'stop', 'invalid_value'],
    [{ messages, stream_options: { x: 1 } }, 'stream_options.x', 'unknown_parameter'],
    [{ messages, tool_choice: 'required' }, 'tool_choice', 'unsupported_parameter'],
    [{ messages: [{ role: 'robot', content: '' }] }, 'messages[0].role', 'invalid_value'],
    [{ messages: [{ role: 'user' }] }, 'messages[0].content', 'missing_field'],
    [
      { messages: [{ role: 'user', content: [{ type: 'image_url' }] }] },
      'messages[0].content[0]',
      'unsupported_content',
    ],
    [{ messages: [{ role: 'tool', content: '', tool_call_id: 'x' }] }, 'messages[0].tool_call_id', 'invalid_value'],
    [{ messages, tools: [{ function: { name: 'a b' } }] }, 'tools[0].function.name', 'invalid_value'],
    [
      { messages, response_format: { type: 'json_schema', json_schema: { schema: { not: {} } } } },
      'response_format.json_schema.schema.not',
      'unsupported_schema',
    ],
    [
      {
        messages,
        response_format: { type: 'json_schema', json_schema: { schema: { type: 'string', maxLength: 1e9 } } },
      },
      'response_format.json_schema.schema.maxLength',
      'invalid_schema',
    ],
  ])('%j', (body, param, code) => {
    const error = refusal(body);
    expect(error).toMatchObject({ status: 400, param, code });
    expect(error.message).toContain(param.split('.').at(-1)!.split('[')[0]!);
    expect(error.toBody().error).toMatchObject({ type: 'invalid_request_error', param, code });
  });

  it('tool calls without an answer', () => {
    const call = { id: 'c1', type: 'function', function: { name: 'f', arguments: '{}' } };
    const asked = { role: 'assistant', content: null, tool_calls: [call] };
    expect(refusal({ messages: [...messages, asked] }).message).toContain('c1');
    expect(refusal({ messages: [...messages, asked, ...messages] }).message).toContain('c1');
    const answered = [...messages, asked, { role: 'tool', tool_call_id: 'c1', content: '1' }];
    expect(parseChatRequest({ messages: answered }).messages).toHaveLength(3);
  });

  it('in completions and embeddings', () => {
    expect(refusal({ prompt: '' }, parseCompletionRequest).param).toBe('prompt');
    expect(refusal({ prompt: 'a', suffix: 'b' }, parseCompletionRequest).param).toBe('suffix');
    expect(refusal({ input: [] }, parseEmbeddingRequest).param).toBe('input');
    expect(refusal({ input: [[-1]] }, parseEmbeddingRequest).param).toBe('input[0]');
    expect(refusal({ input: 'a', dimensions: 3 }, parseEmbeddingRequest).param).toBe('dimensions');
  });
});

describe('what is accepted', () => {
  it('what clients send', () => {
    const request = parseChatRequest({
      model: 'm',
      messages: [
        { role: 'developer', content: 'be brief' },
        {
          role: 'user',
          name: 'a',
          content: [
            { type: 'text', text: 'x' },
            { type: 'text', text: 'y' },
          ],
        },
      ],
      temperature: null,
      max_tokens: 5,
      max_completion_tokens: 7,
      n: 1,
      stop: 'END',
      seed: -1,
      stream: true,
      stream_options: { include_usage: true },
      user: 'someone',
      store: false,
      logprobs: false,
    });
    expect(request).toMatchObject({
      messages: [
        { role: 'system', content: 'be brief' },
        { role: 'user', content: 'x\ny' },
      ],
      max_tokens: 7,
      stop: ['END'],
      seed: 2 ** 32 - 1,
      include_usage: true,
    });
  });

  it('and what is sent on passes the same check unchanged', () => {
    const tool = { type: 'function', function: { name: 'f', parameters: { type: 'object', properties: {} } } };
    const first = checkedBody('/v1/chat/completions', { messages, tools: [tool], stream: true, stop: ['a'] });
    expect(checkedBody('/v1/chat/completions', structuredClone(first))).toEqual(first);
  });
});

describe('never', () => {
  it('does anything but refuse or return numbers inside their ranges', () => {
    const key = fc.constantFrom('temperature', 'top_p', 'top_k', 'min_p', 'max_tokens', 'seed', 'frequency_penalty');
    const value = fc.oneof(fc.double(), fc.integer(), fc.string(), fc.constant(null), fc.constant(1e308), fc.boolean());
    fc.assert(
      fc.property(fc.dictionary(key, value), (fields) => {
        let request: ReturnType<typeof parseChatRequest>;
        try {
          request = parseChatRequest({ messages, ...fields });
        } catch (error) {
          expect(error).toBeInstanceOf(RequestError);
          return;
        }
        expect(request.temperature).toBeGreaterThanOrEqual(0);
        expect(request.temperature).toBeLessThanOrEqual(2);
        expect(request.top_p).toBeGreaterThan(0);
        expect(request.top_p).toBeLessThanOrEqual(1);
        expect(request.top_k).toBeGreaterThanOrEqual(0);
        expect(Number.isInteger(request.top_k)).toBe(true);
        expect(request.min_p).toBeGreaterThanOrEqual(0);
        expect(Math.abs(request.frequency_penalty)).toBeLessThanOrEqual(2);
        expect(request.max_tokens ?? 1).toBeGreaterThanOrEqual(1);
        expect(request.seed === undefined || (request.seed >= 0 && request.seed < 2 ** 32)).toBe(true);
      }),
    );
  });

  it('takes a field that it does not know, or fails in any other way', () => {
    const known = new Set(Object.keys(parseChatRequest({ messages })));
    fc.assert(
      fc.property(fc.string({ minLength: 1 }), fc.jsonValue(), (name, value) => {
        fc.pre(value !== null && !known.has(name) && !/^(n|user|store|metadata|stream_options|max_.*)$/.test(name));
        expect(refusal({ messages, [name]: value }).param).toBe(name);
      }),
    );
    fc.assert(
      fc.property(fc.jsonValue(), (body) => {
        for (const parse of [parseChatRequest, parseCompletionRequest, parseEmbeddingRequest]) {
          try {
            parse(body);
          } catch (error) {
            expect(error).toBeInstanceOf(RequestError);
          }
        }
      }),
    );
  });
});
