import { modelName, stageNames } from '@secai/contracts';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { bytes, duration, modelNameProblem, nameFromFile, parameters, shortHash } from '../src/lib/format.ts';
import { strengthOf } from '../src/lib/passphrase.ts';
import { parseRoute, pathOf } from '../src/lib/router.ts';
import { snippets } from '../src/lib/snippets.ts';
import { bySeverity, stageTexts } from '../src/lib/stages.ts';

test('numbers are readable', () => {
  expect([0, 999, 1000, 144_811_584, 1_500_000_000, 2 ** 63].map(bytes)).toEqual([
    '0 B',
    '999 B',
    '1.0 kB',
    '145 MB',
    '1.5 GB',
    '9.2 EB',
  ]);
  expect([12, 3400, 125_000].map(duration)).toEqual(['12 ms', '3.4 s', '2 min 5 s']);
  expect([135e6, 7.24e9, 70e9, 12].map(parameters)).toEqual(['135 M', '7.2 B', '70 B', '12']);
  expect(shortHash(`sha256:${'ab'.repeat(32)}`)).toBe('abababab…ababab');
});

test('a name made from any file name is one the contract accepts, or empty', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string({ unit: 'grapheme', maxLength: 120 }),
        fc.constantFrom('../../x.gguf', 'a..b.gguf', '\u202egguf.x', 'é.GGUF'),
      ),
      (file) => {
        const name = nameFromFile(file);
        if (name !== '') expect(modelName.safeParse(name).success).toBe(true);
      },
    ),
  );
  expect(nameFromFile('SmolLM2 135M (Q8_0).gguf')).toBe('SmolLM2-135M-Q8_0');
});

test('the page and the contract agree on model names', () => {
  const near = fc.oneof(
    fc.string(),
    fc
      .array(fc.constantFrom('a', 'Z', '9', '.', '_', '-', '..', '/', ' '), { maxLength: 110 })
      .map((parts) => parts.join('')),
  );
  fc.assert(
    fc.property(near, (name) => {
      expect(modelNameProblem(name) === null).toBe(modelName.safeParse(name).success);
    }),
  );
});

test('strength follows length and variety, not length alone', () => {
  expect(strengthOf('short').level).toBe(0);
  for (const weak of ['aaaaaaaaaaaaaaaa', '123456789012', 'abcdefghijklmnop']) expect(strengthOf(weak).level).toBe(1);
  expect(strengthOf('correct horse battery').level).toBeGreaterThanOrEqual(3);
  expect(strengthOf('tangent-Gravel 19 owls under').level).toBe(4);
});

test('strength never falls when a fresh character is added', () => {
  fc.assert(
    fc.property(fc.string({ minLength: 1, maxLength: 40 }), (text) => {
      expect(strengthOf(`${text}Ω`).level).toBeGreaterThanOrEqual(strengthOf(text).level);
    }),
  );
});

test('every address of the page is read back as it was written', () => {
  for (const page of ['models', 'settings', 'system'] as const) expect(parseRoute(pathOf({ page }))).toEqual({ page });
  fc.assert(
    fc.property(fc.string({ minLength: 1 }), (id) => {
      expect(parseRoute(pathOf({ page: 'chat', id }))).toEqual({ page: 'chat', id });
    }),
  );
  for (const path of ['/', '/unknown', '/chat', '/chat/', '//evil.example', '/chat/%zz'])
    expect(parseRoute(path).page).toBe('chat');
});

test('every stage of the contract has its words', () => {
  expect(Object.keys(stageTexts)).toEqual([...stageNames]);
});

test('the worst finding comes first', () => {
  const finding = (severity: 'info' | 'critical' | 'medium') => ({ severity, rule: severity, where: '', message: '' });
  expect(bySeverity([finding('info'), finding('critical'), finding('medium')]).map((one) => one.rule)).toEqual([
    'critical',
    'medium',
    'info',
  ]);
});

test('examples name this address, the key and the model', () => {
  for (const { code } of snippets('http://127.0.0.1:8480', 'sk-1', 'my-model')) {
    expect(code).toContain('http://127.0.0.1:8480/v1');
    expect(code).toContain('sk-1');
    expect(code).toContain('my-model');
  }
});
