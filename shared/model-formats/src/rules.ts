import type { ScanStage, Severity } from './types.ts';

interface Rule {
  stage: ScanStage;
  severity: Severity;
  /** What the rule refuses or shows, in one sentence for the report. */
  text: string;
}

/**
 * Every rule of the readers and the scanner, by stable id. A finding at `high` or `critical` rejects the file.
 * Ids are never reused; the quarantine service documents this table.
 */
export const RULES = {
  'FMT-001': rule(
    'format',
    'critical',
    'The content is of a kind that is not accepted (only GGUF and safetensors are).',
  ),
  'FMT-002': rule('format', 'high', 'The file name says another format than the content is.'),
  'FMT-003': rule(
    'format',
    'critical',
    'The file is two formats at once (polyglot), such as a model with a ZIP archive at its end.',
  ),
  'FMT-004': rule('format', 'critical', 'The file is empty.'),

  'INT-001': rule(
    'integrity',
    'critical',
    'The file changed while it was read, so what was checked is not what is there.',
  ),
  'INT-002': rule('integrity', 'critical', 'What was opened is not a regular file.'),

  'GGUF-001': rule('format', 'critical', 'A GGUF file starts with the four bytes GGUF.'),
  'GGUF-002': rule('format', 'critical', 'Only GGUF versions 2 and 3 are accepted.'),
  'GGUF-003': rule('format', 'critical', 'Big-endian GGUF is not accepted: the engine reads little-endian files only.'),
  'GGUF-004': rule('format', 'critical', 'The file ends inside its header.'),
  'GGUF-005': rule(
    'format',
    'critical',
    'The header declares more metadata entries than the file can hold or the limit allows.',
  ),
  'GGUF-006': rule(
    'format',
    'critical',
    'The header declares more tensors than the file can hold or the limit allows.',
  ),
  'GGUF-007': rule('format', 'critical', 'The header is larger than any real model needs.'),
  'GGUF-010': rule('format', 'critical', 'A metadata key has 1 to 1024 bytes.'),
  'GGUF-011': rule('format', 'critical', 'A metadata key is made of printable ASCII without spaces.'),
  'GGUF-012': rule('format', 'critical', 'A metadata key occurs once: readers disagree about which duplicate wins.'),
  'GGUF-013': rule('format', 'critical', 'A metadata value has one of the 13 types of the format.'),
  'GGUF-014': rule('format', 'critical', 'An array holds no arrays: no engine reads nested ones.'),
  'GGUF-015': rule(
    'format',
    'critical',
    'A string is no longer than the bytes left in the file (CVE-2024-23605 and kin).',
  ),
  'GGUF-016': rule(
    'format',
    'critical',
    'An array is no longer than the bytes left in the file (CVE-2024-21825 and kin).',
  ),
  'GGUF-017': rule('format', 'high', 'A bool is the byte 0 or 1.'),
  'GGUF-018': rule('format', 'high', 'Strings are UTF-8.'),
  'GGUF-019': rule(
    'format',
    'critical',
    'A well-known key has the type the engine reads it as (a wrong one is read out of bounds).',
  ),
  'GGUF-020': rule('format', 'critical', 'A well-known number lies in the range the engine can bear.'),
  'GGUF-021': rule('format', 'critical', 'general.alignment is a power of two from 1 to 65,536.'),
  'GGUF-030': rule('format', 'critical', 'A tensor name has 1 to 63 bytes.'),
  'GGUF-031': rule('format', 'critical', 'A tensor name has no control characters and is UTF-8.'),
  'GGUF-032': rule('format', 'critical', 'A tensor name occurs once.'),
  'GGUF-033': rule('format', 'critical', 'A tensor has 1 to 4 dimensions.'),
  'GGUF-034': rule('format', 'critical', 'Every dimension is at least 1.'),
  'GGUF-035': rule('format', 'critical', 'The number of elements stays below 2^63 (CVE-2026-33298).'),
  'GGUF-036': rule('format', 'critical', 'The tensor type is one that the engine knows.'),
  'GGUF-037': rule('format', 'critical', 'A row holds whole quantisation blocks.'),
  'GGUF-038': rule(
    'format',
    'critical',
    'The tensor sizes do not overflow when added (CVE-2025-53630, CVE-2026-27940).',
  ),
  'GGUF-040': rule('format', 'critical', 'A tensor offset is a multiple of the alignment.'),
  'GGUF-041': rule('format', 'critical', 'There is no hole between tensors.'),
  'GGUF-042': rule('format', 'critical', 'Tensors do not overlap.'),
  'GGUF-043': rule('format', 'critical', 'Every tensor lies inside the file (CVE-2026-7482).'),
  'GGUF-044': rule('format', 'critical', 'There are no trailing bytes after the last tensor.'),
  'GGUF-045': rule('format', 'high', 'Padding bytes are zero: nothing hides between tensors.'),
  'GGUF-050': rule(
    'format',
    'critical',
    'Scores and token types have one entry per token (a shorter array is read out of bounds).',
  ),
  'GGUF-051': rule('format', 'critical', 'A token has at most 8,192 bytes (CVE-2025-49847).'),
  'GGUF-052': rule('format', 'critical', 'A byte token is <0x00> to <0xFF> (a sign in it becomes a negative index).'),
  'GGUF-053': rule('format', 'medium', 'Special token ids lie inside the vocabulary.'),
  'GGUF-054': rule('format', 'low', 'Token texts are UTF-8.'),
  'GGUF-060': rule('integrity', 'high', 'A model names its architecture (general.architecture).'),
  'GGUF-061': rule('integrity', 'high', 'A model has tensors.'),
  'GGUF-062': rule('integrity', 'high', 'A model says how many blocks it has (<architecture>.block_count).'),
  'GGUF-063': rule('integrity', 'high', 'The file is a whole model, not one part of a split one.'),
  'GGUF-064': rule('integrity', 'high', 'The file is a model, not an adapter or a projector for one.'),
  'GGUF-065': rule('integrity', 'high', 'A model brings its tokenizer.'),

  'ST-001': rule('format', 'critical', 'A safetensors file has at least 8 bytes of length and 2 of header.'),
  'ST-002': rule(
    'format',
    'critical',
    'The header is at most 100,000,000 bytes by the format and no larger than the scanner allows.',
  ),
  'ST-003': rule('format', 'critical', 'The header lies inside the file.'),
  'ST-004': rule('format', 'critical', 'The header starts with {.'),
  'ST-005': rule('format', 'critical', 'The header is one JSON object in UTF-8.'),
  'ST-006': rule('format', 'critical', 'The header has no duplicate keys: JSON readers disagree about which one wins.'),
  'ST-007': rule('format', 'critical', '__metadata__ maps strings to strings.'),
  'ST-008': rule('format', 'critical', 'A tensor entry has exactly dtype, shape and data_offsets.'),
  'ST-009': rule('format', 'critical', 'The dtype is one of the format.'),
  'ST-010': rule(
    'format',
    'critical',
    'A shape is a list of at most 32 non-negative integers whose product does not overflow.',
  ),
  'ST-011': rule('format', 'critical', 'data_offsets are two integers, the first no greater than the second.'),
  'ST-012': rule('format', 'critical', 'Tensors do not overlap.'),
  'ST-013': rule('format', 'critical', 'There is no hole between tensors.'),
  'ST-014': rule('format', 'critical', 'The bytes of a tensor match its dtype and shape.'),
  'ST-015': rule('format', 'critical', 'There are no trailing bytes after the last tensor.'),
  'ST-016': rule('format', 'critical', 'Every tensor lies inside the file.'),
  'ST-017': rule('format', 'critical', 'There is at least one tensor.'),
  'ST-018': rule('format', 'critical', 'The header names no more tensors than the limit.'),
  'ST-019': rule('format', 'critical', 'A tensor name has 1 to 4,096 bytes and no control characters.'),
  'ST-020': rule('format', 'low', 'Packed values fill whole bytes (the reference reader refuses a partial last byte).'),

  'EXE-001': rule('static', 'critical', 'A program, script or archive lies inside the file.'),
  'TXT-001': rule('static', 'high', 'Invisible Unicode tag characters carry hidden text.'),
  'TXT-002': rule('static', 'high', 'Bidirectional controls make text read differently from what it is.'),
  'TXT-003': rule('static', 'medium', 'Zero-width characters hide inside text.'),
  'TXT-004': rule('static', 'info', 'A text of the model contains a network address.'),
  'TXT-005': rule('static', 'medium', 'A text contains control characters such as terminal escapes.'),
  'WGT-001': rule('static', 'high', 'Weights are numbers: none of the samples is NaN.'),
  'WGT-002': rule('static', 'high', 'Weights are finite: none of the samples is infinite.'),
  'WGT-003': rule('static', 'medium', 'A weight matrix is not constant.'),
  'WGT-004': rule('static', 'low', 'Weights are of an ordinary size.'),

  'TPL-001': rule(
    'static',
    'critical',
    'The chat template reaches for the internals of the language (names that begin with an underscore).',
  ),
  'TPL-002': rule('static', 'critical', 'The chat template includes, imports or extends another file.'),
  'TPL-003': rule(
    'static',
    'critical',
    'The chat template builds a name at run time and looks it up, so what it reaches cannot be known.',
  ),
  'TPL-004': rule(
    'static',
    'critical',
    'The chat template reaches into a helper object (self, cycler, namespace and so on) instead of using it.',
  ),
  'TPL-005': rule('static', 'high', 'The chat template can loop or grow without bound.'),
  'TPL-006': rule(
    'static',
    'high',
    'The chat template cannot be parsed: an engine might still run it, so it is refused.',
  ),
  'TPL-007': rule('static', 'high', 'The chat template is larger than any real one.'),
  'TPL-008': rule('static', 'high', 'The chat template is nested too deeply to be judged.'),
  'TPL-009': rule('static', 'critical', 'The chat template uses a format string that can reach attributes.'),
  'TPL-010': rule('static', 'high', 'The chat template calls something that no chat template engine provides.'),
} as const satisfies Record<string, Rule>;

export type RuleId = keyof typeof RULES;

function rule(stage: ScanStage, severity: Severity, text: string): Rule {
  return { stage, severity, text };
}
