import { createPrivateKey, createPublicKey, sign } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { openNote, signNote, verifyConsistency, verifyInclusion } from '../src/index.ts';
import { CompactTree, EMPTY_ROOT, type Hash, leafHash, leafHashInPlace, nodeHash, toHex } from '../src/merkle.ts';
import { consistencyPath, inclusionPath } from '../src/proofs.ts';

/** Inputs, roots and proofs of the Certificate Transparency reference implementation (merkle_tree_test). */
const INPUTS = ['', '00', '10', '2021', '3031', '40414243', '5051525354555657', '606162636465666768696a6b6c6d6e6f'];
const ROOTS = [
  '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
  'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
  'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
  'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
  '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
  '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
  'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
  '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
];
const CONSISTENCY: [number, number, string[]][] = [
  [1, 1, []],
  [
    1,
    8,
    [
      '96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7',
      '5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e',
      '6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4',
    ],
  ],
  [
    6,
    8,
    [
      '0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a',
      'ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0',
      'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
    ],
  ],
  [
    2,
    5,
    [
      '5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e',
      'bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b',
    ],
  ],
];
const INCLUSION_0_OF_8 = CONSISTENCY[1]![2];

const leaves = INPUTS.map((hex) => leafHash(Buffer.from(hex, 'hex')));

/** The definitions of RFC 6962 section 2.1, word for word. */
function mth(d: Hash[]): Hash {
  if (d.length === 0) return EMPTY_ROOT;
  if (d.length === 1) return d[0]!;
  const k = largestPowerBelow(d.length);
  return nodeHash(mth(d.slice(0, k)), mth(d.slice(k)));
}

function path(m: number, d: Hash[]): Hash[] {
  if (d.length <= 1) return [];
  const k = largestPowerBelow(d.length);
  return m < k ? [...path(m, d.slice(0, k)), mth(d.slice(k))] : [...path(m - k, d.slice(k)), mth(d.slice(0, k))];
}

function subproof(m: number, d: Hash[], b: boolean): Hash[] {
  if (m === d.length) return b ? [] : [mth(d)];
  const k = largestPowerBelow(d.length);
  return m <= k
    ? [...subproof(m, d.slice(0, k), b), mth(d.slice(k))]
    : [...subproof(m - k, d.slice(k), false), mth(d.slice(0, k))];
}

function largestPowerBelow(n: number): number {
  return 2 ** (31 - Math.clz32(n - 1));
}

function manyLeaves(n: number): Hash[] {
  return Array.from({ length: n }, (_, i) => leafHash(`leaf ${i}`));
}

const subtreeOf = (d: Hash[]) => async (start: number, end: number) => mth(d.slice(start, end));
const sizes = fc.integer({ min: 1, max: 300 });

describe('the RFC 6962 tree', () => {
  it('gives the reference roots', () => {
    expect(toHex(EMPTY_ROOT)).toBe('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');
    const tree = new CompactTree();
    expect(tree.root()).toBe(EMPTY_ROOT);
    leaves.forEach((leaf, i) => {
      tree.append(leaf);
      expect(toHex(tree.root())).toBe(ROOTS[i]);
    });
  });

  it('gives and accepts the reference proofs', async () => {
    for (const [size1, size2, proof] of CONSISTENCY) {
      const made = await consistencyPath(size1, size2, subtreeOf(leaves));
      expect(made.map(toHex)).toEqual(proof);
      expect(verifyConsistency({ size1, root1: ROOTS[size1 - 1]!, size2, root2: ROOTS[size2 - 1]!, proof })).toBe(true);
    }
    expect((await inclusionPath(0, 8, subtreeOf(leaves))).map(toHex)).toEqual(INCLUSION_0_OF_8);
  });

  it('hashes strings, bytes and bytes in place alike', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        const bytes = Buffer.from(`\n${text}\n`);
        expect(leafHash(Buffer.from(text))).toBe(leafHash(text));
        expect(leafHashInPlace(bytes, 1, bytes.length - 1)).toBe(leafHash(text));
      }),
    );
  });

  it('grows to the same root as the definition, and hands out every full tile', () => {
    const d = manyLeaves(1100);
    const tiles: Hash[] = [];
    const tree = new CompactTree((root) => tiles.push(root));
    d.forEach((leaf, i) => {
      tree.append(leaf);
      if (i % 37 === 0) expect(tree.root()).toBe(mth(d.slice(0, i + 1)));
    });
    expect(tiles).toEqual([0, 256, 512, 768].map((at) => mth(d.slice(at, at + 256))));
  });
});

describe('proofs', () => {
  it('are those of the definition and verify', async () => {
    await fc.assert(
      fc.asyncProperty(sizes, sizes, async (a, b) => {
        const [size1, size2] = [Math.min(a, b), Math.max(a, b)];
        const d = manyLeaves(size2);
        const root2 = toHex(mth(d));
        const inclusion = await inclusionPath(size1 - 1, size2, subtreeOf(d));
        expect(inclusion).toEqual(path(size1 - 1, d));
        const claim = { leafHash: toHex(d[size1 - 1]!), seq: size1 - 1, size: size2, root: root2 };
        expect(verifyInclusion({ ...claim, proof: inclusion.map(toHex) })).toBe(true);
        const consistency = await consistencyPath(size1, size2, subtreeOf(d));
        expect(consistency).toEqual(size1 === size2 ? [] : subproof(size1, d, true));
        const root1 = toHex(mth(d.slice(0, size1)));
        expect(verifyConsistency({ size1, root1, size2, root2, proof: consistency.map(toHex) })).toBe(true);
      }),
    );
  });

  it('never verify once anything about them is changed', async () => {
    const other = toHex(leafHash('other'));
    await fc.assert(
      fc.asyncProperty(sizes, sizes, fc.nat(), async (a, b, at) => {
        const [size1, size2] = [Math.min(a, b), Math.max(a, b)];
        const d = manyLeaves(size2);
        const root2 = toHex(mth(d));
        const proof = (await inclusionPath(size1 - 1, size2, subtreeOf(d))).map(toHex);
        const claim = { leafHash: toHex(d[size1 - 1]!), seq: size1 - 1, size: size2, root: root2, proof };
        for (const changed of mutations(proof, at, other))
          expect(verifyInclusion({ ...claim, proof: changed })).toBe(false);
        expect(verifyInclusion({ ...claim, leafHash: other })).toBe(false);
        expect(verifyInclusion({ ...claim, root: other })).toBe(false);
        expect(verifyInclusion({ ...claim, seq: size2 })).toBe(false);
        expect(verifyInclusion({ ...claim, size: size2 * 4 })).toBe(false);
        if (size2 > 1) expect(verifyInclusion({ ...claim, seq: size1 % size2 })).toBe(false);
        const between = (await consistencyPath(size1, size2, subtreeOf(d))).map(toHex);
        const consistent = { size1, root1: toHex(mth(d.slice(0, size1))), size2, root2, proof: between };
        for (const changed of mutations(between, at, other))
          expect(verifyConsistency({ ...consistent, proof: changed })).toBe(false);
        expect(verifyConsistency({ ...consistent, root1: other })).toBe(false);
        expect(verifyConsistency({ ...consistent, root2: other })).toBe(false);
        expect(verifyConsistency({ ...consistent, size2: size2 * 4 })).toBe(false);
        if (size1 < size2) expect(verifyConsistency({ ...consistent, size1: size2, size2: size1 })).toBe(false);
      }),
    );
  });

  it('refuse nonsense without throwing', () => {
    const root = ROOTS[0]!;
    const empty = toHex(EMPTY_ROOT);
    for (const bad of [Number.NaN, -1, 0.5, 2 ** 60]) {
      expect(verifyInclusion({ leafHash: root, seq: bad, size: 8, root, proof: [] })).toBe(false);
      expect(verifyConsistency({ size1: bad, root1: root, size2: 8, root2: root, proof: [] })).toBe(false);
    }
    expect(verifyInclusion({ leafHash: root, seq: 0, size: 1, root, proof: ['zz'] })).toBe(false);
    expect(verifyConsistency({ size1: 0, root1: empty, size2: 1, root2: root, proof: [] })).toBe(true);
    expect(verifyConsistency({ size1: 0, root1: root, size2: 1, root2: root, proof: [] })).toBe(false);
    expect(verifyConsistency({ size1: 0, root1: empty, size2: 0, root2: root, proof: [] })).toBe(false);
  });
});

function mutations(proof: string[], at: number, other: string): string[][] {
  const index = proof.length === 0 ? 0 : at % proof.length;
  const longer = [...proof, other];
  if (proof.length === 0) return [longer];
  return [longer, [other, ...proof], proof.with(index, other), proof.toSpliced(index, 1)];
}

describe('signed notes', () => {
  const TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
  const NOTE = `${TEXT}\n— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n`;
  const PUBLIC = Buffer.from('ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW', 'base64').subarray(1);
  const SEED = Buffer.from('AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz', 'base64').subarray(1);

  it('are those of the Go reference implementation', () => {
    const der = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), SEED]);
    const privateKey = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
    const publicKey = createPublicKey(privateKey).export({ format: 'der', type: 'spki' }).subarray(-32);
    expect(publicKey.equals(PUBLIC)).toBe(true);
    expect(signNote(TEXT, 'PeterNeumann', { publicKey, sign: (data) => sign(null, data, privateKey) })).toBe(NOTE);
    expect(openNote(NOTE, 'PeterNeumann', PUBLIC)).toBe(TEXT);
  });

  it('never open with a changed byte, a changed name or more text', () => {
    const bytes = Buffer.from(NOTE);
    for (let i = 0; i < bytes.length; i++) {
      const changed = Buffer.from(bytes);
      changed[i]! ^= 1 << (i % 8);
      expect(() => openNote(changed.toString(), 'PeterNeumann', PUBLIC), `byte ${i}`).toThrow('refused');
    }
    expect(() => openNote(NOTE, 'Peter', PUBLIC)).toThrow('not signed by Peter');
    for (const more of ['\n', 'x', `— PeterNeumann AAAA\n`]) {
      expect(() => openNote(NOTE + more, 'PeterNeumann', PUBLIC)).toThrow('refused');
      expect(() => openNote(more + NOTE, 'PeterNeumann', PUBLIC)).toThrow('refused');
    }
  });
});
