import type { IncomingMessage } from 'node:http';
import { Problem, type Route } from '@secai/contracts';
import { parseStrict, StrictJsonError } from '@secai/json';
import type { z } from 'zod';

/** Default limit of a JSON body. */
export const MAX_JSON_BYTES = 1024 * 1024;

/** Reads a body of at most `limit` bytes. Throws `body_too_large`; the rest is left unread and the connection is closed by the caller. */
export async function readBody(req: IncomingMessage, limit: number): Promise<Buffer> {
  const tooLarge = (): Problem => new Problem('body_too_large', `the body may have ${limit} bytes`);
  if (Number(req.headers['content-length'] ?? 0) > limit) throw tooLarge();
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of req as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > limit) throw tooLarge();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, size);
}

/** The JSON body of a route, strictly parsed and validated. Throws Problem. */
export async function readJson(req: IncomingMessage, route: Route): Promise<unknown> {
  const type = (req.headers['content-type'] ?? '').split(';')[0]!.trim().toLowerCase();
  if (type !== 'application/json')
    throw new Problem('unsupported_media_type', `send application/json, not ${type || 'nothing'}`);
  const bytes = await readBody(req, route.maxBodyBytes ?? MAX_JSON_BYTES);
  return validate(route.body!, parseJson(bytes), 'body');
}

/** Strict JSON with problems instead of parser errors. */
export function parseJson(bytes: Uint8Array): unknown {
  try {
    return parseStrict(bytes);
  } catch (error) {
    if (!(error instanceof StrictJsonError)) throw error;
    throw new Problem(error.code === 'duplicate_key' ? 'duplicate_key' : 'malformed_json', error.message);
  }
}

/** Checks `value` against `schema`. Throws `unknown_field` or `invalid_field` naming every field that is wrong. */
export function validate<T extends z.ZodType>(schema: T, value: unknown, what: string): z.output<T> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const errors: { field: string; message: string }[] = [];
  let unknown = false;
  for (const issue of result.error.issues) {
    const path = [what, ...issue.path].join('.');
    if (issue.code === 'unrecognized_keys') {
      unknown = true;
      for (const key of issue.keys) errors.push({ field: `${path}.${key}`, message: 'there is no such field' });
    } else {
      errors.push({ field: path, message: issue.message });
    }
  }
  const detail = errors.map((error) => `${error.field}: ${error.message}`).join('; ');
  throw new Problem(unknown ? 'unknown_field' : 'invalid_field', detail.slice(0, 2000), { errors });
}
