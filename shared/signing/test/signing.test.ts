import { generateKeyPairSync } from 'node:crypto';
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { generateSigningKey, loadOrCreateSigningKey, loadSigningKey, verifySignature } from '../src/index.ts';

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'secai-signing-'));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

describe('signing', () => {
  it('never accepts changed bytes, a changed signature or another key', () => {
    const key = generateSigningKey();
    const other = generateSigningKey();
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 64 }), fc.nat(), (data, at) => {
        const signature = key.sign(data);
        expect(verifySignature(key.publicKey, data, signature)).toBe(true);
        expect(verifySignature(other.publicKey, data, signature)).toBe(false);
        const bent = Uint8Array.from(data);
        bent[at % bent.length]! ^= 1;
        expect(verifySignature(key.publicKey, bent, signature)).toBe(false);
        const bentSignature = Uint8Array.from(signature);
        bentSignature[at % 64]! ^= 1;
        expect(verifySignature(key.publicKey, data, bentSignature)).toBe(false);
      }),
      { numRuns: 50 },
    );
    expect(verifySignature(key.publicKey, new Uint8Array(1), new Uint8Array(3))).toBe(false);
  });

  it('makes a key once, readable by its owner only, and refuses other kinds', async () => {
    const path = join(dir, 'a.pem');
    const first = await loadOrCreateSigningKey(path);
    const second = await loadOrCreateSigningKey(path);
    expect(second.publicKey.equals(first.publicKey)).toBe(true);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' });
    await writeFile(join(dir, 'ec.pem'), ec);
    await expect(loadSigningKey(join(dir, 'ec.pem'))).rejects.toThrow('Ed25519 is needed');
  });
});
