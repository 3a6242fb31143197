import { modelName, Problem } from '@secai/contracts';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { chosenName, cleanFileName, nameFromFile } from '../src/names.ts';

const refuses = (work: () => unknown, part: string): void => {
  expect(work).toThrow(Problem);
  expect(work).toThrow(part);
};

describe('a name that a person typed', () => {
  it.each(['SmolLM2-135M-Instruct.Q4_1', 'a', '7b', 'x'.repeat(100)])('takes %j as it is', (name) => {
    expect(chosenName(name)).toBe(name);
  });

  it.each(
    [
      ['', 'a path', '../x', 'a/b', 'a..b', '.hidden', '-x', 'x'.repeat(101), 'x'.repeat(300)],
      ['a\0b', 'a\nb', 'gpt\u202efugg', 'a\u200bb', 'модель', 'a b', '\u{e0041}x'],
    ].flat(),
  )('refuses %j and says what fits', (name) =>
    refuses(() => chosenName(name), name === 'a..b' ? 'must not contain' : 'use 1 to 100 letters'),
  );

  it('never shows what it refuses as it was', () => {
    expect(() => chosenName('gpt\u202efugg')).toThrow('\\u{202e}');
  });
});

describe('a name made from a file name', () => {
  it.each([
    ['model.gguf', 'model'],
    ['SmolLM2-135M-Instruct.Q4_1.gguf', 'SmolLM2-135M-Instruct.Q4_1'],
    ['../../etc/passwd', 'passwd'],
    ['C:\\Users\\me\\My Model (1).GGUF', 'My-Model-1'],
    ['Café noir.safetensors', 'Cafe-noir'],
    ['..hidden...gguf', 'hidden'],
    [`${'x'.repeat(200)}.gguf`, 'x'.repeat(100)],
  ])('%j becomes %j', (file, name) => {
    expect(nameFromFile(cleanFileName(file))).toBe(name);
  });

  it.each(['a\0b.gguf', 'a\u202eb.gguf', 'a\u200bb.gguf', 'a\nb.gguf', 'a\u{e0041}.gguf', '\ufffd.gguf'])(
    'refuses the deceptive %j',
    (file) => refuses(() => cleanFileName(file), 'rename the file'),
  );
  it('refuses a file name longer than any file system has', () => refuses(() => cleanFileName('x'.repeat(300)), '255'));
  it.each(['', '...', '.gguf', '日本語.gguf', '///'])('asks for a name when %j gives none', (file) =>
    refuses(() => nameFromFile(cleanFileName(file)), 'send the field "name"'),
  );

  it('gives a valid name or a problem for any text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 320 }), (text) => {
        try {
          expect(modelName.safeParse(nameFromFile(cleanFileName(text))).success).toBe(true);
        } catch (error) {
          if (!(error instanceof Problem)) throw error;
        }
      }),
    );
  });
});
