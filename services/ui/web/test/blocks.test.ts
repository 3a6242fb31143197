import fc from 'fast-check';
import { expect, test } from 'vitest';
import { definitionsOf, splitBlocks, splitThinking } from '../src/markdown/blocks.ts';

/** Lines that decide where blocks begin, in any order. */
const markdownLine = fc.constantFrom(
  '',
  '',
  'text',
  '# head',
  '- item',
  '  more of the item',
  '1. one',
  '```js',
  '```',
  '~~~',
  '````',
  '    code',
  '  ```',
  '> quote',
  '| a | b |',
  '|---|---|',
  '[ref]: https://example.org',
  '<div>',
);
const markdown = fc.array(markdownLine, { maxLength: 20 }).map((lines) => lines.join('\n'));

test('the blocks together are the text', () => {
  fc.assert(
    fc.property(fc.oneof(markdown, fc.string()), (text) => {
      expect(
        splitBlocks(text)
          .map((block) => block.text)
          .join(''),
      ).toBe(text);
    }),
  );
});

test('while lines are appended only the last block changes', () => {
  fc.assert(
    fc.property(fc.array(markdownLine, { maxLength: 20 }), (lines) => {
      const whole = splitBlocks(lines.map((line) => `${line}\n`).join(''));
      for (let count = 0; count < lines.length; count++) {
        const part = splitBlocks(
          lines
            .slice(0, count)
            .map((line) => `${line}\n`)
            .join(''),
        );
        const finished = part.slice(0, -1);
        expect(finished).toEqual(whole.slice(0, finished.length));
      }
    }),
  );
});

test('a code fence is one block, with its language and exact code', () => {
  const blocks = splitBlocks('Look:\n```python title="x"\ndef f():\n\n    return 1\n```\nDone');
  expect(blocks.map((block) => block.kind)).toEqual(['markdown', 'code', 'markdown']);
  expect(blocks[1]).toMatchObject({ language: 'python', code: 'def f():\n\n    return 1', closed: true });
});

test('an open fence holds everything after it, other fences included', () => {
  expect(splitBlocks('````md\n```js\nx\n```\n')).toEqual([
    { kind: 'code', text: '````md\n```js\nx\n```\n', language: 'md', code: '```js\nx\n```', closed: false },
  ]);
});

test('a list stays whole over blank lines and code inside', () => {
  expect(splitBlocks('1. one\n\n   ```js\n   x\n   ```\n\n2. two\n\nafter').map((block) => block.text)).toEqual([
    '1. one\n\n   ```js\n   x\n   ```\n\n2. two\n\n',
    'after',
  ]);
});

test('link definitions are found in whichever block they stand', () => {
  expect(definitionsOf(splitBlocks('See [a].\n\n```\n[no]: https://x\n```\n\n[a]: https://example.org "A"\n'))).toBe(
    '[a]: https://example.org "A"',
  );
});

test('a very long text is split in linear time', () => {
  const text = 'word '.repeat(40_000) + '\n\n- a\n'.repeat(20_000) + '```\n'.repeat(20_001);
  const start = performance.now();
  splitBlocks(text);
  expect(performance.now() - start).toBeLessThan(1500);
});

test('thinking comes apart from the answer', () => {
  expect(splitThinking('plain')).toEqual({ thinking: null, open: false, answer: 'plain' });
  expect(splitThinking('<think>\nhm</think>\n\nyes')).toEqual({ thinking: 'hm', open: false, answer: 'yes' });
  expect(splitThinking('<think>still')).toEqual({ thinking: 'still', open: true, answer: '' });
  expect(splitThinking('say <think>x</think>').thinking).toBeNull();
});
