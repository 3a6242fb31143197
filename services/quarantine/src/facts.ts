import type { ModelFacts } from '@secai/contracts';
import type { ScanReport } from './scan-report.ts';

/** Invisible and deceptive characters have no place in what a person reads about a model. */
const UNSHOWABLE = /[\p{C}\u2028\u2029]+/gu;

/** What the registry keeps about a model, or null when the file is no model. Texts come from the file: cut and cleaned. */
export function factsOf(report: ScanReport): ModelFacts | null {
  const { format, model } = report;
  if (format !== 'gguf' && format !== 'safetensors') return null;
  return {
    format,
    ...(report.tensor_root && { tensor_root: report.tensor_root }),
    ...(model && {
      ...text('architecture', model.architecture, 100),
      ...text('display_name', model.name, 200),
      ...text('quantization', model.quantization, 40),
      ...text('licence', model.licence, 200),
      ...count('parameters', model.parameters),
      ...count('context_length', model.context_length),
      has_chat_template: model.has_chat_template,
    }),
  };
}

function text<K extends string>(key: K, value: string | null, max: number): Partial<Record<K, string>> {
  const shown = value?.replace(UNSHOWABLE, ' ').trim().slice(0, max);
  return (shown ? { [key]: shown } : {}) as Partial<Record<K, string>>;
}

function count<K extends string>(key: K, value: number | null): Partial<Record<K, number>> {
  return (Number.isSafeInteger(value) ? { [key]: value } : {}) as Partial<Record<K, number>>;
}
