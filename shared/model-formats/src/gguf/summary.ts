import type { FindingList } from '../findings.ts';
import type { ModelSummary } from '../types.ts';
import { type GgufHeader, stringValue } from './reader.ts';
import type { MetadataValue } from './values.ts';

const TEMPLATE_KEY = 'tokenizer.chat_template';

/** What the report shows about a GGUF model. */
export function summariseGguf(header: GgufHeader): ModelSummary {
  const { metadata } = header;
  const architecture = stringValue(metadata, 'general.architecture');
  return {
    architecture,
    name: stringValue(metadata, 'general.name'),
    license: stringValue(metadata, 'general.license'),
    parameter_count: header.tensors.reduce((sum, tensor) => sum + tensor.elements, 0),
    quantisation: dominantType(
      header.tensors.map((tensor) => ({ dtype: tensor.type.name, elements: tensor.elements })),
    ),
    context_length: numberValue(metadata, `${architecture}.context_length`),
    block_count: numberValue(metadata, `${architecture}.block_count`),
    embedding_length: numberValue(metadata, `${architecture}.embedding_length`),
    vocabulary_size: header.vocabularySize ?? numberValue(metadata, `${architecture}.vocab_size`),
    tokenizer: stringValue(metadata, 'tokenizer.ggml.model'),
    chat_template: stringValue(metadata, TEMPLATE_KEY),
    chat_templates: Object.fromEntries(
      [...metadata.keys()]
        .filter((key) => key.startsWith(`${TEMPLATE_KEY}.`))
        .map((key) => [key.slice(TEMPLATE_KEY.length + 1), stringValue(metadata, key)] as const)
        .filter((entry): entry is [string, string] => entry[1] !== null),
    ),
  };
}

/** Every string of the metadata that an engine may run as a chat template, by key; null where it was too long to keep. */
export function templatesOf(header: GgufHeader): { key: string; text: string | null }[] {
  return [...header.metadata]
    .filter(([key, entry]) => key.includes('chat_template') && entry.type === 'string')
    .map(([key]) => ({ key, text: stringValue(header.metadata, key) }));
}

/** GGUF-06x: what a well-formed file still lacks to be a model that the engine can load. */
export function checkGgufComplete(header: GgufHeader, findings: FindingList): void {
  const { metadata, tensors } = header;
  const architecture = stringValue(metadata, 'general.architecture');
  const kind = stringValue(metadata, 'general.type') ?? 'model';
  if (kind !== 'model' || architecture === 'clip') {
    const what = architecture === 'clip' ? 'a projector (clip)' : `of the kind "${kind}"`;
    findings.add('GGUF-064', 'general.type', `the file is ${what}, not a model of its own; bring the model itself`);
    return;
  }
  if (!architecture) {
    findings.add(
      'GGUF-060',
      'general.architecture',
      'the file does not name its architecture, so no engine can load it',
    );
  } else if (!/^[a-z0-9][a-z0-9._-]{0,63}$/.test(architecture)) {
    findings.add('GGUF-060', 'general.architecture', 'the name of the architecture is none that an engine has');
  } else if (!metadata.has(`${architecture}.block_count`)) {
    findings.add(
      'GGUF-062',
      `${architecture}.block_count`,
      `the file does not say how many blocks it has (${architecture}.block_count)`,
    );
  }
  if (tensors.length === 0) findings.add('GGUF-061', 'tensors', 'the file holds no tensors, so it is no model');
  const parts = numberValue(metadata, 'split.count');
  if (parts !== null && parts > 1) {
    findings.add(
      'GGUF-063',
      'split.count',
      `the file is one of ${parts} parts of a model; join them with llama-gguf-split --merge first`,
    );
  }
  const tokenizer = stringValue(metadata, 'tokenizer.ggml.model');
  if (tokenizer === null || (tokenizer !== 'none' && tokenizer !== 'no_vocab' && !header.vocabularySize)) {
    findings.add('GGUF-065', 'tokenizer.ggml.model', 'the file brings no tokenizer, so no engine can use it');
  }
}

/** The dtype that holds most weights. */
export function dominantType(tensors: readonly { dtype: string; elements: number }[]): string | null {
  const totals = new Map<string, number>();
  for (const { dtype, elements } of tensors) totals.set(dtype, (totals.get(dtype) ?? 0) + elements);
  let best: string | null = null;
  for (const [dtype, total] of totals) if (best === null || total > totals.get(best)!) best = dtype;
  return best;
}

function numberValue(metadata: ReadonlyMap<string, MetadataValue>, key: string): number | null {
  const entry = metadata.get(key);
  return entry && entry.type !== 'string' && entry.type !== 'array' && typeof entry.value === 'number'
    ? entry.value
    : null;
}
