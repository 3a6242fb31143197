import fc from 'fast-check';
import { expect, test } from 'vitest';
import { EventParser, readEvents, type ServerEvent } from '../src/lib/sse.ts';

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
const parse = (text: string): ServerEvent[] => new EventParser().push(encode(text));

const line = fc.string({ unit: 'grapheme', maxLength: 12 }).map((text) => text.replace(/[\r\n\0]/g, ''));
const event = fc.record({
  event: fc.constantFrom('message', 'delta', 'done', 'error', 'ünicode'),
  lines: fc.array(line, { minLength: 1, maxLength: 3 }),
});

/** Cuts bytes at the given places, which may fall anywhere. */
function cut(bytes: Uint8Array, places: readonly number[]): Uint8Array[] {
  const borders = [...new Set(places.map((place) => place % (bytes.length + 1)))].sort((a, b) => a - b);
  return [0, ...borders].map((start, index) => bytes.slice(start, borders[index]));
}

test('every chunking of a stream gives the same events, whatever line ends it uses', () => {
  fc.assert(
    fc.property(
      fc.array(event, { maxLength: 6 }),
      fc.array(fc.nat(), { maxLength: 30 }),
      fc.constantFrom('\n', '\r\n', '\r'),
      (events, places, end) => {
        const text = events
          .map((one) => `event: ${one.event}${end}${one.lines.map((data) => `data: ${data}${end}`).join('')}${end}`)
          .join(`:comment${end}`);
        const parser = new EventParser();
        const got = cut(encode(text), places).flatMap((chunk) => parser.push(chunk));
        expect(got).toEqual(events.map((one) => ({ event: one.event, data: one.lines.join('\n') })));
      },
    ),
    { numRuns: 400 },
  );
});

test('one byte at a time keeps characters whole', () => {
  const parser = new EventParser();
  const got = [...encode('event: delta\ndata: {"text":"håndværk 🛡️ 漢字"}\n\n')].flatMap((byte) =>
    parser.push(Uint8Array.of(byte)),
  );
  expect(got).toEqual([{ event: 'delta', data: '{"text":"håndværk 🛡️ 漢字"}' }]);
});

test('comments, unknown fields and events without data are nothing', () => {
  expect(parse(': ping\n\nid: 7\nretry: 10\n\nevent: done\n\n')).toEqual([]);
  expect(parse('data\n\n')).toEqual([{ event: 'message', data: '' }]);
  expect(parse('data:x\ndata: y\n\n')).toEqual([{ event: 'message', data: 'x\ny' }]);
});

test('an event that never ends is not delivered', () => {
  expect(parse('event: done\ndata: {}\n')).toEqual([]);
});

test('readEvents yields what came before the connection broke, then throws', async () => {
  const got: ServerEvent[] = [];
  const body = new ReadableStream<Uint8Array>({
    start: (controller) => controller.enqueue(encode('data: 1\n\ndata: 2')),
    pull: (controller) => controller.error(new Error('reset')),
  });
  await expect(
    (async () => {
      for await (const one of readEvents(body)) got.push(one);
    })(),
  ).rejects.toThrow('reset');
  expect(got).toEqual([{ event: 'message', data: '1' }]);
});
