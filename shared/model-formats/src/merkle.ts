import { createHash } from 'node:crypto';
import { canonicalize } from '@secai/json';
import type { TensorDigest } from './types.ts';

const LEAF = Buffer.of(0);
const NODE = Buffer.of(1);

/** The leaf of one tensor: SHA-256(0x00 ‖ JCS of the manifest entry), so name, type, shape and place are bound too. */
export function tensorLeafHash(tensor: TensorDigest): Buffer {
  return createHash('sha256').update(LEAF).update(canonicalize(tensor)).digest();
}

/**
 * The RFC 6962 Merkle tree hash over the manifest, `sha256:<hex>`. With it, one tensor is verified later by reading
 * that tensor alone and the stored manifest.
 */
export function tensorManifestRoot(tensors: readonly TensorDigest[]): string {
  // A stack of complete subtrees: equal heights merge at once, the rest from the right at the end (RFC 6962, 2.1).
  const stack: { height: number; hash: Buffer }[] = [];
  for (const tensor of tensors) {
    let node = { height: 0, hash: tensorLeafHash(tensor) };
    while (stack.at(-1)?.height === node.height) {
      node = { height: node.height + 1, hash: join(stack.pop()!.hash, node.hash) };
    }
    stack.push(node);
  }
  let root = stack.pop()?.hash ?? createHash('sha256').digest();
  while (stack.length > 0) root = join(stack.pop()!.hash, root);
  return `sha256:${root.toString('hex')}`;
}

function join(left: Buffer, right: Buffer): Buffer {
  return createHash('sha256').update(NODE).update(left).update(right).digest();
}
