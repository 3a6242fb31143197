export { ModelFormatError, type ModelFormatErrorCode } from './errors.ts';
export { isRejecting } from './findings.ts';
export { GGML_TYPES, type GgmlType } from './ggml-types.ts';
export { type Identification, identifyFormat } from './identify.ts';
export { DEFAULT_LIMITS } from './limits.ts';
export { tensorLeafHash, tensorManifestRoot } from './merkle.ts';
export { RULES, type RuleId } from './rules.ts';
export { type ScanOptions, scanModel } from './scan.ts';
export { checkChatTemplate, type TemplateFinding } from './template/check.ts';
export type {
  Finding,
  FormatId,
  ModelSummary,
  ScanLimits,
  ScanProgress,
  ScanResult,
  ScanStage,
  Severity,
  StageVerdict,
  TensorDigest,
} from './types.ts';
