import { randomUUID } from 'node:crypto';
import { generateSigningKey } from '@secai/signing';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { decodeManifest, encodeManifest, type Manifest, ManifestError } from '../src/manifest.ts';

const key = generateSigningKey();
const digest = `sha256:${'5'.repeat(64)}`;
const manifest: Manifest = {
  format: 'secai-registry-manifest-1',
  version: 7,
  models: [
    {
      name: 'one',
      sha256: digest,
      size: 12,
      facts: { format: 'gguf', display_name: 'Ein Modell für alle' },
      file: `${'5'.repeat(64)}.gguf`,
      state: 'available',
      job_id: randomUUID(),
      decision_id: randomUUID(),
      signature: 'missing',
      promoted_at: '2026-01-01T00:00:00.000Z',
      verified_at: '2026-01-01T00:00:00.000Z',
      origin: 'local',
      policy_digest: digest,
      state_since: '2026-01-01T00:00:00.000Z',
      verified_since: true,
    },
  ],
};
const bytes = encodeManifest(manifest, key);

const refuses = (changed: Uint8Array): void =>
  expect(() => decodeManifest(changed, key.publicKey)).toThrow(ManifestError);

it('reads what it wrote', () => {
  expect(decodeManifest(bytes, key.publicKey)).toEqual(manifest);
});

it('refuses every changed bit, dropped byte, shorter and longer text', () => {
  fc.assert(
    fc.property(fc.nat(bytes.length - 1), fc.nat(7), (at, bit) => {
      const flipped = Buffer.from(bytes);
      flipped[at]! ^= 1 << bit;
      refuses(flipped);
      refuses(Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1)]));
      refuses(bytes.subarray(0, at));
      refuses(Buffer.concat([bytes.subarray(0, at), Buffer.from(' '), bytes.subarray(at)]));
    }),
    { numRuns: 300 },
  );
  refuses(Buffer.concat([bytes, Buffer.from('\n')]));
});

it("refuses another registry's signature", () => {
  expect(() => decodeManifest(bytes, generateSigningKey().publicKey)).toThrow('signature');
});
