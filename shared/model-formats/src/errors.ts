import type { RuleId } from './rules.ts';

/** Why a scan could not be done at all. What is wrong with a file is never an error but a finding. */
export type ModelFormatErrorCode = 'not_found' | 'unreadable' | 'invalid_argument';

export class ModelFormatError extends Error {
  override name = 'ModelFormatError';
  readonly code: ModelFormatErrorCode;
  constructor(code: ModelFormatErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** A structural rule was broken so that nothing after it can be trusted; the scanner turns it into a finding. */
export class FormatViolation extends Error {
  override name = 'FormatViolation';
  readonly rule: RuleId;
  readonly where: string;
  constructor(rule: RuleId, where: string, message: string) {
    super(message);
    this.rule = rule;
    this.where = where;
  }
}

/** The file got shorter or was swapped under the reader; the scanner turns it into INT-001. */
export class FileChanged extends Error {
  override name = 'FileChanged';
}
