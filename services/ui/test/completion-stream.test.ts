import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type CompletionEvent, readCompletion } from '../src/completion-stream.ts';
import { delta, line } from './support/engine.ts';

async function* chunked(bytes: Uint8Array, cuts: readonly number[]): AsyncGenerator<Uint8Array> {
  let start = 0;
  for (const cut of [...cuts, bytes.length].sort((a, b) => a - b)) {
    yield bytes.subarray(start, cut);
    start = cut;
  }
}

async function read(
  bytes: Uint8Array,
  cuts: readonly number[] = [],
): Promise<{ text: string; events: CompletionEvent[] }> {
  const events: CompletionEvent[] = [];
  for await (const event of readCompletion(chunked(bytes, cuts))) events.push(event);
  return { text: events.map((event) => (event.type === 'text' ? event.text : '')).join(''), events };
}

const stop = line({ choices: [{ delta: {}, finish_reason: 'stop' }] });
const done = 'data: [DONE]\n\n';
const utf8 = (text: string) => Buffer.from(text);

describe('a completion stream', () => {
  it('reads the same whatever the chunk borders', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.string({ unit: 'grapheme', minLength: 1 }), { maxLength: 8 }),
        fc.array(fc.nat(2000), { maxLength: 20 }),
        async (texts, positions) => {
          const bytes = utf8(`: ping\n\n${texts.map(delta).join('')}${stop}${done}`);
          const cuts = positions.map((position) => position % (bytes.length + 1));
          expect((await read(bytes, cuts)).text).toBe(texts.join(''));
        },
      ),
    );
  });

  it('joins an emoji that was cut into escaped halves', async () => {
    const half = (text: string) => `data: {"choices":[{"delta":{"content":"${text}"}}]}\r\n\r\n`;
    const { text, events } = await read(utf8(half('a\\ud83d') + half('\\ude00b') + stop + done));
    expect(text).toBe('a😀b');
    for (const event of events) if (event.type === 'text') expect(event.text.isWellFormed()).toBe(true);
  });

  it('turns broken UTF-8 into replacement characters', async () => {
    const bytes = Buffer.concat([
      utf8('data: {"choices":[{"delta":{"content":"a'),
      Buffer.from([0xff, 0xc3]),
      utf8(`b"}}]}\n\n${stop}${done}`),
    ]);
    expect((await read(bytes)).text).toBe('a\ufffd\ufffdb');
  });

  it('counts tokens only when the numbers are numbers', async () => {
    const usage = (value: unknown) => utf8(line({ choices: [], usage: value }) + stop + done);
    expect((await read(usage({ prompt_tokens: 3, completion_tokens: 4 }))).events).toEqual([
      { type: 'usage', promptTokens: 3, completionTokens: 4 },
    ]);
    for (const value of [
      null,
      {},
      { prompt_tokens: '3', completion_tokens: 4 },
      { prompt_tokens: 1.5, completion_tokens: 1 },
    ])
      expect((await read(usage(value))).events).toEqual([]);
  });

  it('takes an end after the finish reason for an end', async () => {
    expect((await read(utf8(delta('a') + stop))).text).toBe('a');
  });

  it.each([
    ['an end in the middle', delta('a'), /ended in the middle/],
    ['nothing', '', /ended in the middle/],
    ['an error event', line({ error: { message: 'out of memory' } }), /^out of memory$/],
    ['no JSON', 'data: {"choices"\n\n', /not JSON/],
    ['an endless line', `data: ${'x'.repeat(1024 * 1024 + 1)}`, /a million characters/],
  ])('is broken by %s', async (_what, text, message) => {
    await expect(read(utf8(text))).rejects.toMatchObject({
      code: 'engine_failed',
      message: expect.stringMatching(message),
    });
  });

  it('never does anything but read or fail with engine_failed', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.oneof(
            fc.string({ unit: 'binary' }),
            fc.json().map((json) => `data: ${json}\n\n`),
          ),
        ),
        async (texts) => {
          await read(utf8(texts.join(''))).catch((error: unknown) =>
            expect(error).toMatchObject({ code: 'engine_failed' }),
          );
        },
      ),
    );
  });
});
