import { createHash } from 'node:crypto';
import type { BigIntStats } from 'node:fs';
import { constants } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { FileChanged, FormatViolation, ModelFormatError } from './errors.ts';
import { FileStream } from './file-stream.ts';
import { FindingList, shown } from './findings.ts';
import { readGgufHeader } from './gguf/reader.ts';
import { checkGgufComplete, dominantType, summariseGguf, templatesOf } from './gguf/summary.ts';
import { type Identification, identifyFormat } from './identify.ts';
import { DEFAULT_LIMITS } from './limits.ts';
import { tensorManifestRoot } from './merkle.ts';
import { readSafetensorsHeader, type SafetensorsHeader } from './safetensors.ts';
import { SignatureScanner } from './signatures.ts';
import { checkChatTemplate } from './template/check.ts';
import type { ModelSummary, ScanLimits, ScanProgress, ScanResult, TensorDigest } from './types.ts';
import { type SampledTensor, WeightSampler } from './weights.ts';

const HEAD_BYTES = 4096;
const TAIL_BYTES = 66_000;

export interface ScanOptions {
  /** The name the person gave the file; its ending must fit the content. Default: the path's last part. */
  name?: string;
  /** Stops the scan at the next read; scanModel then rejects with the signal's reason. */
  signal?: AbortSignal;
  /** Called after every read (about every 2 MiB). */
  onProgress?: (progress: ScanProgress) => void;
  limits?: Partial<ScanLimits>;
}

/**
 * Reads a model once from start to end and answers everything the format, integrity and static stages ask: SHA-256,
 * per-tensor SHA-256 with their Merkle root, structure, hidden text, chat templates, embedded programs, weight samples.
 * What is wrong with the file is in `findings`, never thrown. Throws ModelFormatError when the file cannot be opened,
 * and the signal's reason when aborted. A handle that is passed in is left open; memory does not grow with the file.
 */
export async function scanModel(source: string | FileHandle, options: ScanOptions = {}): Promise<ScanResult> {
  const path = typeof source === 'string' ? source : null;
  const handle = typeof source === 'string' ? await openFile(source) : source;
  try {
    return await new Scan(handle, path, options).run();
  } finally {
    if (path !== null) await handle.close();
  }
}

class Scan {
  readonly #handle: FileHandle;
  readonly #path: string | null;
  readonly #options: ScanOptions;
  readonly #limits: ScanLimits;
  readonly #findings: FindingList;
  readonly #signatures = new SignatureScanner();
  readonly #tensors: TensorDigest[] = [];
  #model: ModelSummary | null = null;
  #structureHolds = false;

  constructor(handle: FileHandle, path: string | null, options: ScanOptions) {
    this.#handle = handle;
    this.#path = path;
    this.#options = options;
    this.#limits = { ...DEFAULT_LIMITS, ...options.limits };
    this.#findings = new FindingList(this.#limits.maxFindingsPerRule);
  }

  async run(): Promise<ScanResult> {
    this.#options.signal?.throwIfAborted();
    const before = await this.#handle.stat({ bigint: true });
    if (!before.isFile()) {
      this.#findings.add('INT-002', 'file', 'this is not a regular file');
      return this.#result('unknown', 'Not a regular file.', null, 0);
    }
    const size = Number(before.size);
    const name = this.#options.name ?? (this.#path === null ? 'model' : basename(this.#path));
    const kind = identifyFormat(
      await this.#peek(0, HEAD_BYTES),
      await this.#peek(size - TAIL_BYTES, TAIL_BYTES, size),
      name,
    );
    this.#reportKind(kind);
    const sha256 = await this.#read(kind, size);
    await this.#checkUnchanged(before);
    return this.#result(kind.format, kind.description, sha256, size);
  }

  #reportKind({ format, description, claimed, alsoAt }: Identification): void {
    if (format === 'empty') this.#findings.add('FMT-004', 'file', 'the file is empty');
    else if (format === 'gguf-big-endian') this.#findings.add('GGUF-003', 'byte 4', description);
    else if (format !== 'gguf' && format !== 'safetensors') this.#findings.add('FMT-001', 'byte 0', description);
    if (claimed && format !== 'empty') this.#findings.add('FMT-002', 'name', description);
    if (alsoAt)
      this.#findings.add(
        'FMT-003',
        alsoAt.where,
        'a ZIP archive lies at the end of the file, so other programs open it as an archive',
      );
  }

  /** The one pass. Returns the file's SHA-256, or null when the file could not be read to its end. */
  async #read(kind: Identification, size: number): Promise<string | null> {
    const isModel = kind.format === 'gguf' || kind.format === 'safetensors';
    const stream = new FileStream(this.#handle, size, {
      chunkBytes: this.#limits.chunkBytes,
      signal: this.#options.signal,
      onProgress: this.#options.onProgress,
      onChunk: isModel ? (chunk, offset) => this.#signatures.update(chunk, offset) : undefined,
    });
    try {
      if (isModel) await this.#readModel(kind.format, stream);
      return `sha256:${await stream.finish()}`;
    } catch (error) {
      if (!(error instanceof FileChanged)) throw error;
      this.#structureHolds = false;
      this.#findings.add('INT-001', 'file', `changed while reading: ${error.message}`);
      return null;
    } finally {
      await stream.settle();
      if (isModel) this.#reportSignatures();
    }
  }

  async #readModel(format: string, stream: FileStream): Promise<void> {
    try {
      if (format === 'gguf') await this.#readGguf(stream);
      else await this.#readSafetensors(stream);
      this.#structureHolds = true;
    } catch (error) {
      if (!(error instanceof FormatViolation)) throw error;
      this.#findings.add(error.rule, error.where, error.message);
    }
  }

  async #readGguf(stream: FileStream): Promise<void> {
    const header = await readGgufHeader(stream, this.#limits, this.#findings);
    this.#model = summariseGguf(header);
    checkGgufComplete(header, this.#findings);
    for (const { key, text } of templatesOf(header)) this.#checkTemplate(key, text);
    await this.#checkPadding(stream, header.dataOffset);
    for (const tensor of header.tensors) {
      const { type } = tensor;
      const sampled = {
        name: tensor.name,
        rank: rankOf(tensor.shape),
        size: tensor.size,
        blockBytes: type.bytes,
        layout: type.layout,
      };
      await this.#readTensor(stream, { ...tensor, dtype: type.name }, sampled, false);
      await this.#checkPadding(
        stream,
        Math.min(stream.size, stream.position + padding(stream.position - header.dataOffset, header.alignment)),
      );
    }
    await this.#checkPadding(stream, Math.min(stream.size, header.paddedEnd));
    if (stream.remaining > 0) {
      const at = stream.position;
      const rest = stream.remaining;
      const kind = identifyFormat(await stream.take(Math.min(rest, 512)), new Uint8Array(), '');
      const what = kind.format === 'unknown' ? '' : ` (${kind.description})`;
      throw new FormatViolation(
        'GGUF-044',
        `byte ${at}`,
        `there are ${rest} trailing bytes after the last tensor${what}`,
      );
    }
  }

  async #readSafetensors(stream: FileStream): Promise<void> {
    const header = await readSafetensorsHeader(stream, this.#limits, this.#findings);
    this.#model = summariseSafetensors(header);
    for (const [key, text] of header.metadata)
      if (key.includes('chat_template')) this.#checkTemplate(`__metadata__.${key}`, text);
    for (const tensor of header.tensors) {
      const [kind, bytes] = SAFETENSORS_LAYOUTS[tensor.dtype] ?? ['int', 1];
      const sampled = {
        name: tensor.name,
        rank: rankOf(tensor.shape),
        size: tensor.size,
        blockBytes: bytes,
        layout: { kind },
      };
      await this.#readTensor(stream, tensor, sampled, true);
    }
  }

  async #readTensor(
    stream: FileStream,
    tensor: Omit<TensorDigest, 'sha256'>,
    sampled: SampledTensor,
    infinityAllowed: boolean,
  ): Promise<void> {
    const hash = createHash('sha256');
    const sampler = new WeightSampler(sampled);
    await stream.consume(tensor.size, (piece, at) => {
      hash.update(piece);
      sampler.update(piece, at);
    });
    sampler.report(this.#findings, infinityAllowed);
    const { name, dtype, shape, offset, size } = tensor;
    this.#tensors.push({ name, dtype, shape, offset, size, sha256: `sha256:${hash.digest('hex')}` });
  }

  async #checkPadding(stream: FileStream, end: number): Promise<void> {
    const start = stream.position;
    let clean = true;
    await stream.consume(end - start, (piece) => {
      clean &&= piece.every((byte) => byte === 0);
    });
    if (!clean)
      this.#findings.add(
        'GGUF-045',
        `byte ${start}`,
        `the padding from byte ${start} to ${end} is not zero; something hides there`,
      );
  }

  #checkTemplate(key: string, text: string | null): void {
    if (text === null) {
      this.#findings.add('TPL-007', key, 'the chat template is larger than 1 MiB');
      return;
    }
    for (const { rule, message } of checkChatTemplate(text, { maxBytes: this.#limits.maxTemplateBytes })) {
      this.#findings.add(rule, key, message);
    }
  }

  #reportSignatures(): void {
    for (const { kind, offset } of this.#signatures.hits) {
      const tensor = this.#tensors.find(
        (candidate) => offset >= candidate.offset && offset < candidate.offset + candidate.size,
      );
      const where = tensor ? `tensor ${shown(tensor.name)}` : 'the bytes outside of tensors';
      this.#findings.add('EXE-001', `byte ${offset}`, `a ${kind} starts at byte ${offset}, in ${where}`);
    }
  }

  /** ctime is compared too: a writer can set mtime back, but not ctime. Do not rename or chmod a file under scan. */
  async #checkUnchanged(before: BigIntStats): Promise<void> {
    const after = await this.#handle.stat({ bigint: true });
    const changed = (['size', 'mtimeNs', 'ctimeNs', 'ino', 'dev'] as const).filter(
      (field) => before[field] !== after[field],
    );
    if (changed.length > 0)
      this.#findings.add('INT-001', 'file', `changed while reading: ${changed.join(', ')} differ`);
    if (this.#path === null) return;
    const there = await stat(this.#path, { bigint: true }).catch(() => null);
    if (there?.ino !== before.ino || there.dev !== before.dev) {
      this.#findings.add('INT-001', 'file', 'changed while reading: another file has taken its place');
    }
  }

  async #peek(position: number, length: number, size = Number.POSITIVE_INFINITY): Promise<Buffer> {
    const start = Math.max(0, position);
    const buffer = Buffer.alloc(Math.min(length, size));
    const { bytesRead } = await this.#handle.read(buffer, 0, buffer.length, start);
    return buffer.subarray(0, bytesRead);
  }

  #result(format: ScanResult['format'], description: string, sha256: string | null, size: number): ScanResult {
    const staticVerdict = this.#findings.verdict('static');
    return {
      format,
      description,
      sha256,
      size,
      model: this.#model,
      tensor_count: this.#tensors.length,
      tensor_manifest_root: this.#structureHolds ? tensorManifestRoot(this.#tensors) : null,
      tensors: this.#structureHolds ? this.#tensors : [],
      findings: this.#findings.list(),
      stages: {
        format: this.#findings.verdict('format'),
        integrity: this.#findings.verdict('integrity'),
        static: staticVerdict === 'fail' || this.#structureHolds ? staticVerdict : 'skip',
      },
    };
  }
}

const SAFETENSORS_LAYOUTS: Record<string, ['f32' | 'f64' | 'f16' | 'bf16', number]> = {
  F32: ['f32', 4],
  F64: ['f64', 8],
  F16: ['f16', 2],
  BF16: ['bf16', 2],
};

function summariseSafetensors(header: SafetensorsHeader): ModelSummary {
  return {
    architecture: null,
    name: header.metadata.get('name') ?? null,
    license: header.metadata.get('license') ?? null,
    parameter_count: header.tensors.reduce((sum, tensor) => sum + tensor.elements, 0),
    quantisation: dominantType(header.tensors),
    context_length: null,
    block_count: null,
    embedding_length: null,
    vocabulary_size: null,
    tokenizer: null,
    chat_template: header.metadata.get('chat_template') ?? null,
    chat_templates: {},
  };
}

function rankOf(shape: readonly number[]): number {
  return shape.filter((dimension) => dimension > 1).length;
}

function padding(length: number, alignment: number): number {
  return (alignment - (length % alignment)) % alignment;
}

/** Links are not followed and a pipe does not block: what is scanned must be the file itself. */
async function openFile(path: string): Promise<FileHandle> {
  try {
    return await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT')
      throw new ModelFormatError('not_found', `there is no file at ${shown(path, 300)}`, { cause: error });
    const why = code === 'ELOOP' ? 'it is a link; give the file itself' : (error as Error).message;
    throw new ModelFormatError('unreadable', `cannot read ${shown(path, 300)}: ${why}`, { cause: error });
  }
}
