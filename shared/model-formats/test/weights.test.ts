import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GGML_TYPES } from '../src/index.ts';
import { ordinaryData } from '../src/testing/index.ts';
import { WeightSampler } from '../src/weights.ts';

describe('WeightSampler', () => {
  it('sees the same whatever pieces a tensor arrives in', () => {
    const data = ordinaryData(0, 700_000);
    const piece = fc.integer({ min: 1, max: 5000 });
    fc.assert(
      fc.property(
        fc.constantFrom(...GGML_TYPES.values()),
        fc.array(piece, { minLength: 1, maxLength: 20 }),
        (type, lengths) => {
          const size = Math.floor(data.length / type.bytes) * type.bytes;
          const tensor = { name: 't', rank: 2, size, blockBytes: type.bytes, layout: type.layout };
          const [whole, pieces] = [new WeightSampler(tensor), new WeightSampler(tensor)];
          whole.update(data.subarray(0, size), 0);
          for (let at = 0, i = 0; at < size; i++) {
            const next = Math.min(size, at + lengths[i % lengths.length]!);
            pieces.update(data.subarray(at, next), at);
            at = next;
          }
          expect(pieces.statistics()).toEqual(whole.statistics());
          expect(whole.statistics().sampled_bytes).toBeGreaterThan(8000);
        },
      ),
    );
  });

  it('measures what it says', () => {
    const values = new Float32Array([Number.NaN, Infinity, 1, 2, 3, 4]);
    const sampler = new WeightSampler({ name: 't', rank: 1, size: 24, blockBytes: 4, layout: { kind: 'f32' } });
    sampler.update(Buffer.from(values.buffer), 0);
    expect(sampler.statistics()).toMatchObject({ values: 6, nan: 1, infinite: 1, min: 1, max: 4, mean: 2.5 });
  });
});
