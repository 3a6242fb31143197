/** Hashes of parts of the tree, for proofs. */
import type { FileHandle } from 'node:fs/promises';
import { readFully } from './files.ts';
import { CompactTree, HASH_BYTES, type Hash, TILE_LEAVES } from './merkle.ts';

/** Keeps one hash per 256 leaves in memory; leaf hashes below that come from the leaves file. */
export class SubtreeReader {
  readonly #leaves: FileHandle;
  readonly #tiles: Hash[];

  /** `tiles` may grow while the reader is in use. */
  constructor(leaves: FileHandle, tiles: Hash[]) {
    this.#leaves = leaves;
    this.#tiles = tiles;
  }

  /** MTH(D[start:end]) for a `start` that RFC 6962's splitting reaches, that is one aligned to the part's size. */
  async hash(start: number, end: number): Promise<Hash> {
    const tree = new CompactTree();
    if (end - start <= TILE_LEAVES) return this.#small(tree, start, end);
    // Whole tiles are leaves of the upper part of the tree; a rest on the right joins as its last subtree.
    const wholeEnd = end - ((end - start) % TILE_LEAVES);
    for (let at = start; at < wholeEnd; at += TILE_LEAVES) tree.append(this.#tiles[at / TILE_LEAVES]!);
    if (wholeEnd === end) return tree.root();
    return tree.rootWith(await this.#small(new CompactTree(), wholeEnd, end));
  }

  async #small(tree: CompactTree, start: number, end: number): Promise<Hash> {
    const data = Buffer.alloc((end - start) * HASH_BYTES);
    if ((await readFully(this.#leaves, data, start * HASH_BYTES)) < data.length)
      throw new Error(`the leaf hashes of records ${start} to ${end - 1} cannot be read`);
    for (let at = 0; at < data.length; at += HASH_BYTES) tree.append(data.toString('latin1', at, at + HASH_BYTES));
    return tree.root();
  }
}
