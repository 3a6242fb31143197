import fc from 'fast-check';
import { expect, test } from 'vitest';
import { tokenize } from '../src/markdown/highlight.ts';

test('colouring never changes the code', () => {
  const code = fc.oneof(
    fc.string({ maxLength: 80 }),
    fc.constantFrom('<script>alert(1)</script>', 'x = "<b>" # &amp;'),
  );
  fc.assert(
    fc.property(
      code,
      fc.constantFrom('python', 'js', 'ts', 'html', 'bash', 'json', 'sql', 'rust', 'yaml'),
      (text, language) => {
        expect(
          tokenize(text, language)
            ?.map((token) => token.text)
            .join(''),
        ).toBe(text);
      },
    ),
  );
});

test('kinds become plain class names', () => {
  expect(tokenize('const x = "a";', 'typescript')).toContainEqual({ text: 'const', className: 'hl-keyword' });
  for (const token of tokenize('<a href="x">&lt;</a>', 'html') ?? [])
    expect(token.className).toMatch(/^(hl-[a-z_-]+)?$/);
});

test('an unknown language is left alone', () => {
  expect(tokenize('x', 'brainfuck')).toBeNull();
  expect(tokenize('x', '')).toBeNull();
});
