import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GGML_TYPES, scanModel } from '../src/index.ts';
import { buildGguf, buildSafetensors, ORDINARY_TEMPLATES, ordinaryData, smolModelPath } from '../src/testing/index.ts';
import { scanBytes } from './helpers.ts';

const PASSED = { format: 'pass', integrity: 'pass', static: 'pass' };

describe('valid files', () => {
  it('accepts a tiny GGUF and says what it is', async () => {
    const bytes = buildGguf({ metadata: { 'tokenizer.chat_template': ORDINARY_TEMPLATES['chatml'] } });
    const result = await scanBytes(bytes, 'tiny.gguf');
    expect(result.findings).toEqual([]);
    expect(result.stages).toEqual(PASSED);
    expect(result.sha256).toBe(`sha256:${createHash('sha256').update(bytes).digest('hex')}`);
    expect(result.model).toMatchObject({
      architecture: 'llama',
      name: 'Tiny test model',
      parameter_count: 160 + 32 + 160,
      quantisation: 'F32',
      context_length: 128,
      vocabulary_size: 5,
      chat_template: ORDINARY_TEMPLATES['chatml'],
    });
    expect(result.tensor_count).toBe(3);
    for (const tensor of result.tensors) {
      const data = bytes.subarray(tensor.offset, tensor.offset + tensor.size);
      expect(tensor.sha256).toBe(`sha256:${createHash('sha256').update(data).digest('hex')}`);
    }
  });

  it.each([2, 3])('accepts GGUF version %i', async (version) => {
    expect((await scanBytes(buildGguf({ version }), 'a.gguf')).stages).toEqual(PASSED);
  });

  it('accepts a last tensor without padding, as some writers leave it', async () => {
    const bytes = buildGguf({ unpadded: true, tensors: [{ name: 'a', shape: [9] }] });
    expect((await scanBytes(bytes, 'a.gguf')).stages).toEqual(PASSED);
  });

  it.each([...GGML_TYPES].map(([id, type]) => [type.name, id, type.block] as const))(
    'accepts tensors of type %s',
    async (_name, type, block) => {
      const bytes = buildGguf({
        tensors: [
          { name: 'a', type, shape: [block * 2, 3] },
          { name: 'b', type, shape: [block] },
        ],
      });
      expect((await scanBytes(bytes, 'a.gguf')).findings).toEqual([]);
    },
  );

  it.each([1, 8, 32, 64, 4096, 65_536])('accepts the alignment %i', async (alignment) => {
    expect((await scanBytes(buildGguf({ alignment }), 'a.gguf')).findings).toEqual([]);
  });

  it('tells a well-formed container from a whole model', async () => {
    const result = await scanBytes(buildGguf({ bare: true }), 'a.gguf');
    expect(result.stages).toEqual({ format: 'pass', integrity: 'fail', static: 'pass' });
  });

  it('accepts a tiny safetensors file', async () => {
    const result = await scanBytes(buildSafetensors({ metadata: { format: 'pt' } }), 'a.safetensors');
    expect(result.findings).toEqual([]);
    expect(result.stages).toEqual(PASSED);
    expect(result.model).toMatchObject({ parameter_count: 2, quantisation: 'F32' });
  });

  it('accepts zero-sized and scalar safetensors tensors, and packed values with a note', async () => {
    const tensors = {
      empty: { dtype: 'F32', shape: [0, 4], data_offsets: [0, 0] },
      scalar: { dtype: 'F32', shape: [], data_offsets: [0, 4] },
      packed: { dtype: 'F4', shape: [3], data_offsets: [4, 6] },
    };
    const result = await scanBytes(buildSafetensors({ tensors, data: Buffer.alloc(6) }), 'a.safetensors');
    expect(result.stages).toEqual(PASSED);
    expect(result.findings.map(({ rule }) => rule)).toEqual(['ST-020']);
  });

  it('accepts any generated GGUF', async () => {
    const tensor = fc.record({
      type: fc.constantFrom(...GGML_TYPES.keys()),
      rows: fc.integer({ min: 1, max: 3 }),
      blocks: fc.integer({ min: 1, max: 3 }),
    });
    const alignment = fc.integer({ min: 3, max: 10 }).map((power) => 2 ** power);
    const extra = fc.dictionary(
      fc.stringMatching(/^x\.[a-z0-9_]{1,20}$/),
      fc.oneof(
        fc.string({ unit: fc.constantFrom('a', 'é', '語') }),
        fc.boolean(),
        fc.array(fc.string({ unit: fc.constantFrom('a', 'b') })),
      ),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(tensor, { minLength: 1, maxLength: 6 }),
        alignment,
        extra,
        fc.constantFrom(2, 3),
        async (specs, align, metadata, version) => {
          const tensors = specs.map(({ type, rows, blocks }, i) => ({
            name: `t${i}`,
            type,
            shape: [GGML_TYPES.get(type)!.block * blocks, rows],
          }));
          const result = await scanBytes(buildGguf({ tensors, alignment: align, metadata, version }), 'a.gguf');
          expect(result.stages).toEqual(PASSED);
          expect(result.tensor_count).toBe(specs.length);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('accepts any generated safetensors file', async () => {
    const sizes = { U8: 1, F16: 2, BF16: 2, I32: 4, F32: 4, F64: 8 };
    const tensor = fc.record({
      dtype: fc.constantFrom(...(Object.keys(sizes) as (keyof typeof sizes)[])),
      shape: fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 4 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(tensor, { minLength: 1, maxLength: 8 }), async (specs) => {
        let end = 0;
        const entries = specs.map(({ dtype, shape }, i) => {
          const start = end;
          end += shape.reduce((a, b) => a * b, sizes[dtype]);
          return [`t${i}`, { dtype, shape, data_offsets: [start, end] }] as const;
        });
        const bytes = buildSafetensors({ tensors: Object.fromEntries(entries), data: Buffer.alloc(end) });
        expect((await scanBytes(bytes, 'a.safetensors')).stages).toEqual(PASSED);
      }),
      { numRuns: 60 },
    );
  });

  it('accepts a real model, with no finding at all', async () => {
    const result = await scanModel(smolModelPath(process.env['SECAI_MODEL_CACHE']));
    expect(result.findings).toEqual([]);
    expect(result.sha256).toBe('sha256:b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53');
    expect(result.model).toMatchObject({
      architecture: 'llama',
      quantisation: 'Q4_1',
      parameter_count: 134_515_008,
      vocabulary_size: 49_152,
    });
    expect(result.tensor_count).toBe(272);
  });

  it('shows odd but harmless things without refusing', async () => {
    const metadata = {
      'general.url': 'https://example.org/model',
      'tokenizer.ggml.padding_token_id': { type: 'u32' as const, value: 99 },
      'general.description': 'zero\u200Bwidth',
    };
    const result = await scanBytes(
      buildGguf({ metadata, tensors: [{ name: 'zeros', shape: [128, 64], data: Buffer.alloc(128 * 64 * 4) }] }),
      'a.gguf',
    );
    expect(result.findings.map(({ rule, severity }) => `${rule} ${severity}`).sort()).toEqual([
      'GGUF-053 medium',
      'TXT-003 medium',
      'TXT-004 info',
      'WGT-003 medium',
    ]);
    expect(result.stages).toEqual(PASSED);
  });

  it('leaves the words of a vocabulary alone', async () => {
    const tokens = [
      '<unk>',
      '<s>',
      '</s>',
      '<0x0A>',
      '\u202E',
      '\u200B',
      '\u{E0041}',
      '#!/bin/sh',
      'https://example.org',
    ];
    const counts = tokens.map(() => 0);
    const result = await scanBytes(
      buildGguf({
        metadata: {
          'tokenizer.ggml.tokens': tokens,
          'tokenizer.ggml.scores': { type: 'array', element: 'f32', values: counts },
          'tokenizer.ggml.token_type': { type: 'array', element: 'i32', values: counts },
        },
      }),
      'a.gguf',
    );
    expect(result.findings).toEqual([]);
  });

  it('looks at weights beyond the first bytes of a large tensor', async () => {
    const data = ordinaryData(0, 4 * 512 * 1024);
    for (let at = 1024 * 1024; at < 1024 * 1024 + 4096; at += 4) data.writeFloatLE(Number.NaN, at);
    const result = await scanBytes(buildGguf({ tensors: [{ name: 'a', shape: [512, 1024], data }] }), 'a.gguf', {
      limits: { chunkBytes: 100_003 },
    });
    expect(result.findings.map(({ rule }) => rule)).toEqual(['WGT-001']);
  });
});
