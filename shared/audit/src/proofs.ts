/** Inclusion and consistency proofs: made as in RFC 6962 section 2.1, checked as in RFC 9162 sections 2.1.3.2 and 2.1.4.2. */
import { EMPTY_ROOT, fromHex, type Hash, nodeHash } from './merkle.ts';

/** MTH(D[start:end]) of the log's leaves. */
export type SubtreeHash = (start: number, end: number) => Promise<Hash>;

/** PATH(m, D[n]) of RFC 6962 section 2.1.1: the siblings from the leaf up. */
export async function inclusionPath(index: number, size: number, subtree: SubtreeHash): Promise<Hash[]> {
  const path: Hash[] = [];
  let start = 0;
  let end = size;
  while (end - start > 1) {
    const middle = start + splitPoint(end - start);
    if (index < middle) {
      path.push(await subtree(middle, end));
      end = middle;
    } else {
      path.push(await subtree(start, middle));
      start = middle;
    }
  }
  return path.reverse();
}

/** PROOF(m, D[n]) of RFC 6962 section 2.1.2; empty when the sizes are equal or the old tree is empty. */
export async function consistencyPath(oldSize: number, newSize: number, subtree: SubtreeHash): Promise<Hash[]> {
  if (oldSize === 0 || oldSize === newSize) return [];
  const path: Hash[] = [];
  let start = 0;
  let end = newSize;
  while (end !== oldSize) {
    const middle = start + splitPoint(end - start);
    if (oldSize <= middle) {
      path.push(await subtree(middle, end));
      end = middle;
    } else {
      path.push(await subtree(start, middle));
      start = middle;
    }
  }
  // The old root itself is known to the checker, unless the old tree is only part of a larger left subtree.
  if (start !== 0) path.push(await subtree(start, end));
  return path.reverse();
}

/** The largest power of two smaller than `n` (n ≥ 2). */
function splitPoint(n: number): number {
  let k = 1;
  while (k * 2 < n) k *= 2;
  return k;
}

export interface InclusionClaim {
  /** Hex. */
  leafHash: string;
  seq: number;
  size: number;
  /** Hex. */
  root: string;
  /** Hex, from the leaf up. */
  proof: readonly string[];
}

/** True when `proof` shows that the tree of `size` leaves with `root` has `leafHash` at index `seq`. Never throws. */
export function verifyInclusion(claim: InclusionClaim): boolean {
  const { seq, size } = claim;
  const leaf = fromHex(claim.leafHash);
  const root = fromHex(claim.root);
  const path = hashes(claim.proof);
  if (leaf === null || root === null || path === null || !isCount(seq) || !isCount(size) || seq >= size) return false;
  let fn = seq;
  let sn = size - 1;
  let computed = leaf;
  for (const sibling of path) {
    if (sn === 0) return false;
    if (fn % 2 === 1 || fn === sn) {
      computed = nodeHash(sibling, computed);
      while (fn % 2 === 0 && fn !== 0) {
        fn = half(fn);
        sn = half(sn);
      }
    } else {
      computed = nodeHash(computed, sibling);
    }
    fn = half(fn);
    sn = half(sn);
  }
  return sn === 0 && computed === root;
}

export interface ConsistencyClaim {
  size1: number;
  /** Hex. */
  root1: string;
  size2: number;
  /** Hex. */
  root2: string;
  /** Hex. */
  proof: readonly string[];
}

/** True when `proof` shows that the tree (size2, root2) begins with all leaves of (size1, root1). Never throws. */
export function verifyConsistency(claim: ConsistencyClaim): boolean {
  const { size1, size2 } = claim;
  const root1 = fromHex(claim.root1);
  const root2 = fromHex(claim.root2);
  const path = hashes(claim.proof);
  if (root1 === null || root2 === null || path === null || !isCount(size1) || !isCount(size2) || size1 > size2)
    return false;
  if (size2 === 0 && root2 !== EMPTY_ROOT) return false;
  if (size1 === 0) return path.length === 0 && root1 === EMPTY_ROOT;
  if (size1 === size2) return path.length === 0 && root1 === root2;
  if (isPowerOfTwo(size1)) path.unshift(root1);
  const first = path.shift();
  if (first === undefined) return false;
  let fn = size1 - 1;
  let sn = size2 - 1;
  while (fn % 2 === 1) {
    fn = half(fn);
    sn = half(sn);
  }
  let old = first;
  let current = first;
  for (const sibling of path) {
    if (sn === 0) return false;
    if (fn % 2 === 1 || fn === sn) {
      old = nodeHash(sibling, old);
      current = nodeHash(sibling, current);
      while (fn % 2 === 0 && fn !== 0) {
        fn = half(fn);
        sn = half(sn);
      }
    } else {
      current = nodeHash(current, sibling);
    }
    fn = half(fn);
    sn = half(sn);
  }
  return sn === 0 && old === root1 && current === root2;
}

function half(n: number): number {
  return Math.floor(n / 2);
}

function isPowerOfTwo(n: number): boolean {
  return n === 1 || splitPoint(n) * 2 === n;
}

function isCount(n: number): boolean {
  return Number.isSafeInteger(n) && n >= 0;
}

function hashes(hex: readonly string[]): Hash[] | null {
  const result: Hash[] = [];
  for (const text of hex) {
    const value = fromHex(text);
    if (value === null) return null;
    result.push(value);
  }
  return result;
}
