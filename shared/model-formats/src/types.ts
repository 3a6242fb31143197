import type { RuleId } from './rules.ts';

/** What the first and last bytes say a file is. Only `gguf` and `safetensors` are accepted. */
export type FormatId =
  | 'gguf'
  | 'gguf-big-endian'
  | 'ggml-legacy'
  | 'safetensors'
  | 'onnx'
  | 'pickle'
  | 'torch-zip'
  | 'zip'
  | 'numpy'
  | '7z'
  | 'tar'
  | 'gzip'
  | 'xz'
  | 'bzip2'
  | 'zstd'
  | 'rar'
  | 'hdf5'
  | 'tf-saved-model'
  | 'tflite'
  | 'elf'
  | 'pe'
  | 'mach-o'
  | 'java-class'
  | 'wasm'
  | 'script'
  | 'html'
  | 'xml'
  | 'json'
  | 'pdf'
  | 'image'
  | 'sqlite'
  | 'text'
  | 'empty'
  | 'unknown';

/** `high` and `critical` reject the file; the others are shown to the person and change no verdict. */
export type Severity = 'info' | 'low' | 'medium' | 'high' | 'critical';

/** The quarantine stage a finding speaks to. */
export type ScanStage = 'format' | 'integrity' | 'static';

/** One observation. `rule` is stable and documented in `RULES`; `where` names the key, tensor or byte. */
export interface Finding {
  rule: RuleId;
  stage: ScanStage;
  severity: Severity;
  where: string;
  message: string;
}

/** What a person wants to know about the model; null where the file does not say. Wire type. */
export interface ModelSummary {
  architecture: string | null;
  name: string | null;
  license: string | null;
  /** The number of weights, summed over all tensors. */
  parameter_count: number;
  /** The tensor type that holds most weights, such as `Q4_K`, or `mixed` types named with a plus. */
  quantisation: string | null;
  context_length: number | null;
  block_count: number | null;
  embedding_length: number | null;
  vocabulary_size: number | null;
  tokenizer: string | null;
  chat_template: string | null;
  /** Named further templates (`tokenizer.chat_template.<name>`). */
  chat_templates: Record<string, string>;
}

/** One line of the tensor manifest. Offsets are from the start of the file, sizes in bytes. Wire type. */
export interface TensorDigest {
  name: string;
  dtype: string;
  shape: number[];
  offset: number;
  size: number;
  /** `sha256:<64 hex>` over the tensor's bytes, without padding. */
  sha256: string;
}

export type StageVerdict = 'pass' | 'fail' | 'skip';

/** The result of one pass. Hashes are `sha256:<64 hex>`. Wire type. */
export interface ScanResult {
  format: FormatId;
  /** One plain sentence: what the file is and, when refused, why and what to do. */
  description: string;
  /** Over the whole file as it was read; null only when reading stopped before the end. */
  sha256: string | null;
  size: number;
  model: ModelSummary | null;
  tensor_count: number;
  /** RFC 6962 Merkle root over `tensors`; null when the structure was refused. */
  tensor_manifest_root: string | null;
  tensors: TensorDigest[];
  findings: Finding[];
  stages: Record<ScanStage, StageVerdict>;
}

export interface ScanProgress {
  bytes_read: number;
  size: number;
}

/** Bounds of one scan; each has a default in `DEFAULT_LIMITS`. */
export interface ScanLimits {
  /** Bytes per read; two such buffers are held. */
  chunkBytes: number;
  /** GGUF bytes before the tensor data. */
  maxGgufHeaderBytes: number;
  /** GGUF metadata entries. */
  maxMetadataEntries: number;
  maxTensors: number;
  /** Vocabulary entries. */
  maxTokens: number;
  /** safetensors JSON header; the format itself allows 100,000,000. */
  maxSafetensorsHeaderBytes: number;
  maxTemplateBytes: number;
  /** Findings kept per rule; the rest is counted in the last one. */
  maxFindingsPerRule: number;
}
