/**
 * The Merkle tree of RFC 6962 section 2.1 over SHA-256. Inside the package a hash is a `Hash`: 32 characters of one
 * byte each, because one-shot hashing into a string is three times as fast as into a Buffer. Outside it is hex.
 */
import { hash } from 'node:crypto';

export type Hash = string;

export const HASH_BYTES = 32;

/** Subtrees of 2^8 leaves are kept in memory for proofs; everything below them is read from the leaves file. */
export const TILE_HEIGHT = 8;
export const TILE_LEAVES = 2 ** TILE_HEIGHT;

/** The root of a tree without leaves: the hash of nothing. */
export const EMPTY_ROOT: Hash = hash('sha256', '', 'binary');

const node = Buffer.alloc(1 + 2 * HASH_BYTES);
node[0] = 1;

/** MTH of one leaf. `line` is the record without its newline. */
export function leafHash(line: string | Uint8Array): Hash {
  // A string is hashed as UTF-8, in which the prefix 0x00 is the character U+0000.
  if (typeof line === 'string') return hash('sha256', `\0${line}`, 'binary');
  return hash('sha256', Buffer.concat([Buffer.of(0), line]), 'binary');
}

/** As leafHash, for a line that lies in `buffer` from `start` to `end`; overwrites the byte before it, copies nothing. */
export function leafHashInPlace(buffer: Buffer, start: number, end: number): Hash {
  buffer[start - 1] = 0;
  return hash('sha256', buffer.subarray(start - 1, end), 'binary');
}

/** MTH of two subtrees. */
export function nodeHash(left: Hash, right: Hash): Hash {
  node.write(left, 1, HASH_BYTES, 'latin1');
  node.write(right, 1 + HASH_BYTES, HASH_BYTES, 'latin1');
  return hash('sha256', node, 'binary');
}

export function toHex(value: Hash): string {
  return Buffer.from(value, 'latin1').toString('hex');
}

/** Reads 64 hex digits; null for anything else. */
export function fromHex(text: string): Hash | null {
  return /^[0-9a-f]{64}$/.test(text) ? Buffer.from(text, 'hex').toString('latin1') : null;
}

/** A growing tree that keeps only the roots of its perfect subtrees: O(log n) memory, amortised one node hash a leaf. */
export class CompactTree {
  #size = 0;
  readonly #subtrees: Hash[] = [];
  readonly #onTile: ((root: Hash) => void) | undefined;

  /** `onTile` is given the root of each full tile of TILE_LEAVES leaves, in order. */
  constructor(onTile?: (root: Hash) => void) {
    this.#onTile = onTile;
  }

  get size(): number {
    return this.#size;
  }

  append(leaf: Hash): void {
    let subtree = leaf;
    let level = 0;
    for (let n = this.#size; n % 2 === 1; n = (n - 1) / 2) {
      subtree = nodeHash(this.#subtrees.pop()!, subtree);
      if (++level === TILE_HEIGHT) this.#onTile?.(subtree);
    }
    this.#subtrees.push(subtree);
    this.#size++;
  }

  root(): Hash {
    const last = this.#subtrees.at(-1);
    return last === undefined ? EMPTY_ROOT : this.#subtrees.slice(0, -1).reduceRight(joinLeft, last);
  }

  /** The root when `rest`, the root of fewer leaves than any subtree here has, is the rightmost subtree. */
  rootWith(rest: Hash): Hash {
    return this.#subtrees.reduceRight(joinLeft, rest);
  }
}

function joinLeft(right: Hash, left: Hash): Hash {
  return nodeHash(left, right);
}
