import { createHash } from 'node:crypto';
import { canonicalize } from '@secai/json';

/**
 * `sha256:<hex>` over the RFC 8785 form of a value, whole. Anyone who holds the value can compute it again.
 * Throws TypeError for what JSON cannot hold, a lone surrogate among it.
 */
export function digestOf(value: unknown): string {
  return `sha256:${createHash('sha256').update(canonicalize(value)).digest('hex')}`;
}
