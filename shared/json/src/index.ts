export { canonicalize } from './canonicalize.ts';
export { parseStrict, StrictJsonError, type StrictJsonErrorCode, type StrictJsonOptions } from './strict.ts';
