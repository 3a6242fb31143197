import { invalid } from './errors.ts';
import { Fields } from './fields.ts';
import { readSampling, type Sampling } from './sampling.ts';

/** POST /v1/completions after checking. */
export interface CompletionRequest extends Sampling {
  readonly model: string;
  readonly prompt: string;
  readonly echo: boolean;
}

/** Checks the body of a text completion. Throws RequestError naming the field at fault. */
export function parseCompletionRequest(body: unknown): CompletionRequest {
  const fields = new Fields(body);
  const model = fields.text('model', 300) ?? '';
  const raw = fields.raw('prompt');
  const prompt = Array.isArray(raw) && raw.length === 1 ? raw[0] : raw;
  if (typeof prompt !== 'string' || prompt === '') {
    throw invalid('prompt', 'prompt must be one text that is not empty.');
  }
  const echo = fields.boolean('echo') ?? false;
  fields.unsupported('suffix', [''], 'filling in the middle is not offered by this engine');
  const request = { model, prompt, echo, ...readSampling(fields) };
  fields.done();
  return request;
}
