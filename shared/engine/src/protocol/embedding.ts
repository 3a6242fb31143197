import { invalid } from './errors.ts';
import { Fields } from './fields.ts';

/** POST /v1/embeddings after checking. An entry is a text or a list of the model's token numbers. */
export interface EmbeddingRequest {
  readonly model: string;
  readonly input: readonly (string | readonly number[])[];
  readonly encoding_format: 'float' | 'base64';
}

const MAX_INPUTS = 2048;
const MAX_TOKEN = 2 ** 31 - 1;

/** Checks the body of an embedding request. Throws RequestError naming the field at fault. */
export function parseEmbeddingRequest(body: unknown): EmbeddingRequest {
  const fields = new Fields(body);
  const model = fields.text('model', 300) ?? '';
  const raw = fields.raw('input');
  const list = Array.isArray(raw) && !isTokens(raw) ? raw : [raw];
  if (list.length === 0 || list.length > MAX_INPUTS) {
    throw invalid('input', `input must have 1 to ${MAX_INPUTS} entries.`);
  }
  const input = list.map((entry, index) => {
    if ((typeof entry === 'string' && entry !== '') || isTokens(entry)) return entry as string | readonly number[];
    throw invalid(`input[${index}]`, `input[${index}] must be a text or a list of tokens, and not empty.`);
  });
  const format = fields.oneOf('encoding_format', ['float', 'base64']) ?? 'float';
  fields.unsupported('dimensions', [], 'vectors have the size that the model gives them');
  fields.ignore('user');
  fields.done();
  return { model, input, encoding_format: format };
}

function isTokens(value: unknown): value is number[] {
  const token = (entry: unknown) => Number.isInteger(entry) && (entry as number) >= 0 && (entry as number) <= MAX_TOKEN;
  return Array.isArray(value) && value.length > 0 && value.every(token);
}
