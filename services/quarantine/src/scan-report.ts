import { finding, sha256 } from '@secai/contracts';
import { z } from 'zod';

/** What the scanner process says; it has read a hostile file, so its words are checked like anybody's. */
export const scanReport = z.strictObject({
  format: z.string().max(40),
  description: z.string().max(2000),
  sha256: sha256.nullable(),
  size: z.number().int().nonnegative(),
  tensor_count: z.number().int().nonnegative(),
  tensor_root: sha256.nullable(),
  model: z
    .strictObject({
      architecture: z.string().nullable(),
      name: z.string().nullable(),
      licence: z.string().nullable(),
      parameters: z.number().nonnegative(),
      quantization: z.string().nullable(),
      context_length: z.number().nullable(),
      has_tokenizer: z.boolean(),
      has_chat_template: z.boolean(),
    })
    .nullable(),
  findings: z.array(z.strictObject({ ...finding.shape, stage: z.enum(['format', 'integrity', 'static']) })).max(2000),
  stages: z.strictObject({
    format: z.enum(['pass', 'fail', 'skip']),
    integrity: z.enum(['pass', 'fail', 'skip']),
    static: z.enum(['pass', 'fail', 'skip']),
  }),
});
export type ScanReport = z.infer<typeof scanReport>;

/** One line of the scanner's output. */
export const scannerLine = z.union([
  z.strictObject({ progress: z.number().min(0).max(1) }),
  z.strictObject({ report: scanReport }),
  z.strictObject({ failure: z.string().max(2000) }),
]);
