/**
 * The scanner process: reads one file once and writes JSON lines to stdout (progress, then a report or a failure).
 * Arguments: path of the file, and the name the person gave it. It runs in a sandbox; see ../scan.ts.
 */
import { type ScanResult, scanModel } from '@secai/model-formats';
import type { ScanReport } from '../scan-report.ts';

const PROGRESS_STEP = 0.01;
const MAX_TEXT = 300;

function report(result: ScanResult): ScanReport {
  const { format, description, sha256, size, tensor_count, model, findings, stages } = result;
  return {
    format,
    description: description.slice(0, 2000),
    sha256,
    size,
    tensor_count,
    tensor_root: result.tensor_manifest_root,
    model: model && {
      architecture: cut(model.architecture),
      name: cut(model.name),
      licence: cut(model.license),
      parameters: model.parameter_count,
      quantization: cut(model.quantisation),
      context_length: model.context_length,
      has_tokenizer: model.tokenizer !== null,
      has_chat_template: model.chat_template !== null || Object.keys(model.chat_templates).length > 0,
    },
    findings: findings.map(({ rule, stage, severity, where, message }) => ({
      rule,
      stage,
      severity,
      where: where.slice(0, MAX_TEXT),
      message: message.slice(0, 1000),
    })),
    stages,
  };
}

function cut(text: string | null): string | null {
  return text === null ? null : text.slice(0, MAX_TEXT);
}

function write(line: object): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

const [path, name] = process.argv.slice(2);
let told = 0;
try {
  const result = await scanModel(path!, {
    name: name!,
    onProgress: ({ bytes_read, size }) => {
      const progress = size === 0 ? 1 : Math.min(1, bytes_read / size);
      if (progress < told + PROGRESS_STEP) return;
      told = progress;
      write({ progress });
    },
  });
  write({ report: report(result) });
} catch (error) {
  write({ failure: (error as Error).message.slice(0, 2000) });
  process.exitCode = 1;
}
