import { describe, expect, it } from 'vitest';
import { RULES } from '../src/index.ts';
import { malformedGguf, malformedSafetensors } from '../src/testing/index.ts';
import { isRejected, scanBytes } from './helpers.ts';

const gguf = malformedGguf();
const safetensors = malformedSafetensors();

describe.each([
  ['GGUF', 'model.gguf', gguf],
  ['safetensors', 'model.safetensors', safetensors],
] as const)('malformed %s', (_format, name, files) => {
  it.each(files.map((file) => [file.name, file.rule, file] as const))(
    '%s is refused by %s',
    async (_name, rule, file) => {
      const result = await scanBytes(file.bytes, name);
      expect(result.findings.map((finding) => finding.rule)).toContain(rule);
      expect(result.stages[RULES[rule].stage]).toBe('fail');
      expect(isRejected(result)).toBe(true);
      expect(result.sha256).toMatch(/^sha256:[0-9a-f]{64}$/);
    },
  );

  it.each(files.map((file) => [file.name, file] as const))(
    '%s is refused when read 37 bytes at a time, too',
    async (_name, file) => {
      const [whole, pieces] = [
        await scanBytes(file.bytes, name),
        await scanBytes(file.bytes, name, { limits: { chunkBytes: 37 } }),
      ];
      expect(pieces.stages).toEqual(whole.stages);
      expect(pieces.sha256).toBe(whole.sha256);
    },
  );
});

describe('the corpora', () => {
  it('have at least 60 files between them', () => {
    expect(gguf.length + safetensors.length).toBeGreaterThanOrEqual(60);
  });

  it('prove every structural rule that rejects', () => {
    const proven = new Set([...gguf, ...safetensors].map((file) => file.rule));
    // GGUF-001: identification already turns other magics away. GGUF-007, -038 and ST-004, -018 need limits or sizes tested elsewhere.
    const elsewhere = new Set(['GGUF-001', 'GGUF-007', 'GGUF-038', 'ST-004', 'ST-018']);
    const missing = Object.entries(RULES)
      .filter(([id, rule]) => /^(?:GGUF|ST)/.test(id) && ['high', 'critical'].includes(rule.severity))
      .map(([id]) => id)
      .filter((id) => !proven.has(id as never) && !elsewhere.has(id));
    expect(missing).toEqual([]);
  });
});
