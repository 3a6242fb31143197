import type { Problem, ProblemCode } from '@secai/contracts';

const TYPES: Partial<Record<number, string>> = {
  401: 'authentication_error',
  403: 'permission_error',
  404: 'not_found_error',
  429: 'rate_limit_error',
};

const CODES: Partial<Record<ProblemCode, string>> = { unauthorized: 'invalid_api_key' };

/** A problem in the shape that OpenAI's clients read: `{error: {message, type, code, param}}`. */
export function openAiError(problem: Problem): {
  error: { message: string; type: string; code: string; param: string | null };
} {
  const param = problem.extra.errors?.[0]?.field.replace(/^body\./, '') ?? null;
  const missingModel = problem.code === 'not_found' && param === 'model';
  return {
    error: {
      message: problem.message,
      type: TYPES[problem.status] ?? (problem.status >= 500 ? 'server_error' : 'invalid_request_error'),
      code: missingModel ? 'model_not_found' : (CODES[problem.code] ?? problem.code),
      param,
    },
  };
}
