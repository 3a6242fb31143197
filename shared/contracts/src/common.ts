import * as z from 'zod';

/** RFC 3339 UTC. */
export const timestamp = z.iso.datetime();
export const sha256 = z.string().regex(/^sha256:[0-9a-f]{64}$/, 'must look like sha256:<64 hex digits>');
export const uuid = z.uuid();

/** A model's name: letters, digits, `.`, `_`, `-`; it becomes part of addresses, so nothing else. */
export const modelName = z
  .string()
  .regex(
    /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/,
    'use 1 to 100 letters, digits, ".", "_" or "-", starting with a letter or digit',
  )
  .refine((name) => !name.includes('..'), 'must not contain ".."');

export const idParams = z.strictObject({ id: uuid });
export const nameParams = z.strictObject({ name: modelName });
