/** Why a domain did not load. */
export type PolicyErrorCode = 'invalid_schema' | 'invalid_policy';

/** One thing that is wrong with a schema or a policy text. */
export interface PolicyProblem {
  /** The name the text was given at load. */
  file: string;
  /** 1-based; absent when the whole text is meant. */
  line?: number;
  column?: number;
  /** The policy's `@id`, or `policy N` for one that has none. */
  policy?: string;
  message: string;
}

/** A schema or policy text that was refused. `problems` names every place; `message` is the same for a person. */
export class PolicyError extends Error {
  override name = 'PolicyError';
  readonly code: PolicyErrorCode;
  readonly problems: readonly PolicyProblem[];

  constructor(code: PolicyErrorCode, problems: readonly PolicyProblem[]) {
    super(problems.map(describe).join('\n'));
    this.code = code;
    this.problems = problems;
  }
}

function describe({ file, line, column, policy, message }: PolicyProblem): string {
  const place = line === undefined ? file : `${file}:${line}:${column ?? 1}`;
  return policy ? `${place}: ${policy}: ${message}` : `${place}: ${message}`;
}
