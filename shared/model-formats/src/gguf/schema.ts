import type { FindingList } from '../findings.ts';
import { shown } from '../findings.ts';
import type { MetadataValue, ValueType } from './values.ts';

interface KeyRule {
  /** Allowed types; `[]` after an element type means an array of it. */
  types: string[];
  min?: number;
  max?: number;
}

const STRING: KeyRule = { types: ['string'] };
const STRINGS: KeyRule = { types: ['string[]'] };
const COUNT: KeyRule = { types: ['u32'], min: 0, max: 2 ** 31 - 1 };
const POSITIVE: KeyRule = { types: ['u32'], min: 1, max: 2 ** 31 - 1 };
const PER_LAYER: KeyRule = { types: ['u32', 'u32[]', 'i32[]'], min: 0, max: 2 ** 31 - 1 };
const FLOAT: KeyRule = { types: ['f32'] };
const BOOL: KeyRule = { types: ['bool'] };

/** Types the engine reads these keys as; keys not listed may have any type. */
const GENERAL: Record<string, KeyRule> = {
  'general.architecture': STRING,
  'general.type': STRING,
  'general.name': STRING,
  'general.author': STRING,
  'general.version': STRING,
  'general.organization': STRING,
  'general.finetune': STRING,
  'general.basename': STRING,
  'general.description': STRING,
  'general.quantized_by': STRING,
  'general.size_label': STRING,
  'general.license': STRING,
  'general.url': STRING,
  'general.alignment': { types: ['u32'], min: 1, max: 65_536 },
  'general.quantization_version': COUNT,
  'general.file_type': COUNT,
  'general.languages': STRINGS,
  'general.tags': STRINGS,
  'split.no': { types: ['u16'] },
  'split.count': { types: ['u16'] },
  'split.tensors.count': { types: ['i32'] },
  'tokenizer.ggml.model': STRING,
  'tokenizer.ggml.pre': STRING,
  'tokenizer.ggml.tokens': STRINGS,
  'tokenizer.ggml.merges': STRINGS,
  'tokenizer.ggml.scores': { types: ['f32[]'] },
  'tokenizer.ggml.token_type': { types: ['i32[]'] },
  'tokenizer.ggml.token_type_count': COUNT,
  'tokenizer.ggml.precompiled_charsmap': { types: ['u8[]', 'i8[]'] },
  'tokenizer.ggml.add_bos_token': BOOL,
  'tokenizer.ggml.add_eos_token': BOOL,
  'tokenizer.ggml.add_sep_token': BOOL,
  'tokenizer.ggml.add_space_prefix': BOOL,
  'tokenizer.ggml.remove_extra_whitespaces': BOOL,
  'tokenizer.ggml.escape_whitespaces': BOOL,
  'tokenizer.chat_template': STRING,
  'tokenizer.chat_templates': STRINGS,
  'tokenizer.huggingface.json': STRING,
};

/** The same under the architecture's own prefix. 512 is the engine's fixed layer table (a larger count writes past it). */
const ARCHITECTURE: Record<string, KeyRule> = {
  block_count: { types: ['u32'], min: 1, max: 512 },
  context_length: POSITIVE,
  embedding_length: POSITIVE,
  vocab_size: POSITIVE,
  feed_forward_length: PER_LAYER,
  leading_dense_block_count: COUNT,
  expert_count: { types: ['u32'], min: 0, max: 65_536 },
  expert_used_count: { types: ['u32'], min: 0, max: 65_536 },
  expert_feed_forward_length: COUNT,
  pooling_type: COUNT,
  'attention.head_count': PER_LAYER,
  'attention.head_count_kv': PER_LAYER,
  'attention.key_length': COUNT,
  'attention.value_length': COUNT,
  'attention.layer_norm_epsilon': FLOAT,
  'attention.layer_norm_rms_epsilon': FLOAT,
  'attention.causal': BOOL,
  'rope.dimension_count': COUNT,
  'rope.freq_base': FLOAT,
  'rope.scaling.type': STRING,
  'rope.scaling.factor': FLOAT,
  'rope.scaling.attn_factor': FLOAT,
  'rope.scaling.original_context_length': COUNT,
};

const TOKEN_ID = /^tokenizer\.ggml\.[a-z0-9_]+_token_id$/;
const NAMED_TEMPLATE = /^tokenizer\.chat_template\.[A-Za-z0-9_.-]+$/;

/** The type the engine reads `key` as, or undefined when it reads it as whatever it is. */
export function keyRule(key: string, architecture: string | null): KeyRule | undefined {
  if (Object.hasOwn(GENERAL, key)) return GENERAL[key];
  if (TOKEN_ID.test(key)) return { types: ['u32'] };
  if (NAMED_TEMPLATE.test(key)) return STRING;
  if (architecture !== null && key.startsWith(`${architecture}.`)) {
    const rest = key.slice(architecture.length + 1);
    if (Object.hasOwn(ARCHITECTURE, rest)) return ARCHITECTURE[rest];
  }
  return undefined;
}

/** Reports GGUF-019 and GGUF-020 for one entry. */
export function checkEntry(
  key: string,
  entry: MetadataValue,
  architecture: string | null,
  findings: FindingList,
): void {
  const rule = keyRule(key, architecture);
  if (!rule) return;
  const type = entry.type === 'array' ? `${entry.element}[]` : entry.type;
  if (!rule.types.includes(type)) {
    findings.add(
      'GGUF-019',
      key,
      `${shown(key)} is of type ${type}; the engine reads it as ${rule.types.join(' or ')}`,
    );
    return;
  }
  for (const value of numbersOf(entry)) {
    if (isFloat(type) && !Number.isFinite(value)) {
      findings.add('GGUF-020', key, `${shown(key)} is ${value}, which is no usable number`);
    } else if (value < (rule.min ?? -Infinity) || value > (rule.max ?? Infinity)) {
      findings.add('GGUF-020', key, `${shown(key)} is ${value}; it must be ${rangeText(rule)}`);
    }
  }
}

function numbersOf(entry: MetadataValue): number[] {
  const values = entry.type === 'array' ? entry.head : entry.type === 'string' ? [] : [entry.value];
  return values.filter((value) => typeof value === 'number');
}

function isFloat(type: string): boolean {
  return (type satisfies string as ValueType) === 'f32';
}

function rangeText(rule: KeyRule): string {
  return rule.max === undefined ? `at least ${rule.min}` : `from ${rule.min ?? 0} to ${rule.max}`;
}
