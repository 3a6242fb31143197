import * as z from 'zod';

/** Every problem that crosses the wire: code → status and title. docs/problems.md mirrors it; a test compares the two. */
export const problemCatalogue = {
  malformed_json: { status: 400, title: 'The body is not valid JSON' },
  duplicate_key: { status: 400, title: 'A key appears twice in the body' },
  unknown_field: { status: 400, title: 'The request has a field that does not exist' },
  invalid_field: { status: 400, title: 'A field of the request is missing or wrong' },
  unauthorized: { status: 401, title: 'No valid credentials' },
  wrong_passphrase: { status: 401, title: 'The passphrase is wrong' },
  forbidden: { status: 403, title: 'These credentials do not allow this' },
  policy_denied: { status: 403, title: 'The policy does not allow this' },
  csrf: { status: 403, title: 'The request did not come from the page' },
  not_found: { status: 404, title: 'Not found' },
  method_not_allowed: { status: 405, title: 'This address does not take this method' },
  conflict: { status: 409, title: 'The current state does not allow this' },
  body_too_large: { status: 413, title: 'The body is too large' },
  unsupported_media_type: { status: 415, title: 'The body has the wrong content type' },
  integrity_mismatch: { status: 422, title: 'The bytes are not the ones that were approved' },
  rate_limited: { status: 429, title: 'Too many requests' },
  internal: { status: 500, title: 'Something went wrong on our side' },
  policy_unreachable: { status: 503, title: 'The policy engine did not answer, so nothing was allowed' },
  dependency_unavailable: { status: 503, title: 'A service this needs is not answering' },
  engine_failed: { status: 503, title: 'The model engine stopped' },
  storage_full: { status: 507, title: 'The disk is full' },
} as const;

export type ProblemCode = keyof typeof problemCatalogue;

/** RFC 9457 problem document. */
export const problemSchema = z.object({
  type: z.string(),
  title: z.string(),
  status: z.number().int(),
  code: z.string(),
  detail: z.string(),
  request_id: z.string().optional(),
  decision_id: z.string().optional(),
  errors: z.array(z.object({ field: z.string(), message: z.string() })).optional(),
});
export type ProblemDocument = z.infer<typeof problemSchema>;

/** Thrown by services; the kit turns it into a problem document. `detail` is shown to people: what was wrong, what to do. */
export class Problem extends Error {
  override name = 'Problem';
  readonly code: ProblemCode;
  readonly extra: Partial<Pick<ProblemDocument, 'decision_id' | 'errors'>>;
  constructor(
    code: ProblemCode,
    detail: string,
    extra: Partial<Pick<ProblemDocument, 'decision_id' | 'errors'>> = {},
    cause?: unknown,
  ) {
    super(detail, { cause });
    this.code = code;
    this.extra = extra;
  }
  get status(): number {
    return problemCatalogue[this.code].status;
  }
}
