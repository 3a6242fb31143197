import { isUtf8 } from 'node:buffer';
import { FormatViolation } from '../errors.ts';
import type { FileStream } from '../file-stream.ts';
import { type FindingList, shown } from '../findings.ts';
import { GGML_TYPES, type GgmlType, REMOVED_GGML_TYPES } from '../ggml-types.ts';
import { checkText } from '../text-checks.ts';
import type { ScanLimits } from '../types.ts';
import { checkEntry } from './schema.ts';
import { type MetadataValue, readFixed, VALUE_TYPES, type ValueType } from './values.ts';
import { Vocabulary } from './vocabulary.ts';

const MAX_KEY_BYTES = 1024;
const MAX_TENSOR_NAME_BYTES = 63;
const MAX_ARRAY_LENGTH = 2 ** 30;
const MAX_ALIGNMENT = 65_536;
const DEFAULT_ALIGNMENT = 32;
/** Longer strings are checked piece by piece and not kept. */
const KEPT_STRING_BYTES = 1024 * 1024;
const KEPT_ARRAY_ENTRIES = 1024;
const INT64_MAX = 2n ** 63n - 1n;
/** The least an entry takes: an 8-byte key length, one byte of key, a 4-byte type, one byte of value. */
const MIN_ENTRY_BYTES = 14;
/** The least a tensor takes: a name of one byte, one dimension, type and offset. */
const MIN_TENSOR_INFO_BYTES = 8 + 1 + 4 + 8 + 4 + 8;

export interface GgufTensor {
  name: string;
  type: GgmlType;
  shape: number[];
  /** From the start of the file. */
  offset: number;
  size: number;
  elements: number;
}

export interface GgufHeader {
  version: number;
  metadata: Map<string, MetadataValue>;
  vocabularySize: number | null;
  tensors: GgufTensor[];
  alignment: number;
  /** Where tensor data starts, from the start of the file. */
  dataOffset: number;
  /** Where the last tensor ends, without and with its padding. */
  dataEnd: number;
  paddedEnd: number;
}

/**
 * Reads everything before the tensor data, with the rules of llama.cpp's `gguf.cpp` and stricter ones. No length is
 * believed before it is compared with the bytes left. Throws FormatViolation when what follows cannot be trusted;
 * adds to `findings` what can be reported and read past.
 */
export async function readGgufHeader(
  stream: FileStream,
  limits: ScanLimits,
  findings: FindingList,
): Promise<GgufHeader> {
  return new GgufHeaderReader(stream, limits, findings).read();
}

class GgufHeaderReader {
  readonly #stream: FileStream;
  readonly #limits: ScanLimits;
  readonly #findings: FindingList;
  readonly #metadata = new Map<string, MetadataValue>();
  readonly #vocabulary: Vocabulary;

  constructor(stream: FileStream, limits: ScanLimits, findings: FindingList) {
    this.#stream = stream;
    this.#limits = limits;
    this.#findings = findings;
    this.#vocabulary = new Vocabulary(findings);
  }

  async read(): Promise<GgufHeader> {
    const version = await this.#readVersion();
    const tensorCount = await this.#readCount('GGUF-006', 'tensors', MIN_TENSOR_INFO_BYTES, this.#limits.maxTensors);
    const entryCount = await this.#readCount(
      'GGUF-005',
      'metadata entries',
      MIN_ENTRY_BYTES,
      this.#limits.maxMetadataEntries,
    );
    for (let index = 0; index < entryCount; index++) await this.#readEntry(index);
    const alignment = this.#alignment();
    this.#checkMetadata();
    const infos: TensorInfo[] = [];
    const names = new Set<string>();
    for (let index = 0; index < tensorCount; index++) infos.push(await this.#readTensorInfo(index, names));
    return {
      version,
      metadata: this.#metadata,
      vocabularySize: this.#vocabulary.size,
      alignment,
      ...this.#layOut(infos, alignment),
    };
  }

  async #readVersion(): Promise<number> {
    const magic = await this.#bytes(4, 'the magic');
    if (magic.toString('latin1') !== 'GGUF') {
      throw new FormatViolation('GGUF-001', 'byte 0', 'the file does not start with GGUF');
    }
    const raw = await this.#bytes(4, 'the version');
    const version = raw.readUInt32LE(0);
    const swapped = raw.readUInt32BE(0);
    if (version === 2 || version === 3) return version;
    if (swapped >= 1 && swapped <= 3) {
      throw new FormatViolation(
        'GGUF-003',
        'byte 4',
        `this is a big-endian GGUF (version ${swapped}); convert it to little-endian`,
      );
    }
    const hint = version === 1 ? '; version 1 is obsolete, convert the model again' : '';
    throw new FormatViolation('GGUF-002', 'byte 4', `version ${version} is not supported, only 2 and 3 are${hint}`);
  }

  async #readCount(rule: 'GGUF-005' | 'GGUF-006', what: string, least: number, limit: number): Promise<number> {
    const at = this.#stream.position;
    const count = (await this.#bytes(8, `the number of ${what}`)).readBigUInt64LE(0);
    const fits = Math.floor(this.#stream.remaining / least);
    if (count > BigInt(limit) || count > BigInt(fits)) {
      const bound =
        count > BigInt(limit)
          ? `the limit is ${limit}`
          : `the ${this.#stream.remaining} bytes left hold at most ${fits}`;
      throw new FormatViolation(rule, `byte ${at}`, `too many ${what}: ${count} declared, ${bound}`);
    }
    return Number(count);
  }

  async #readEntry(index: number): Promise<void> {
    const key = await this.#readKey(index);
    if (this.#metadata.has(key)) {
      throw new FormatViolation('GGUF-012', key, `duplicate metadata key ${shown(key)}`);
    }
    const type = await this.#readType(key);
    this.#metadata.set(key, type === 'array' ? await this.#readArray(key) : await this.#readScalar(key, type));
    if (this.#stream.position > this.#limits.maxGgufHeaderBytes) this.#tooLarge();
  }

  async #readKey(index: number): Promise<string> {
    const at = `metadata entry ${index}`;
    const length = await this.#length('GGUF-015', at, 'key');
    if (length === 0 || length > MAX_KEY_BYTES) {
      throw new FormatViolation(
        'GGUF-010',
        at,
        `the key of ${at} has ${length} bytes; 1 to ${MAX_KEY_BYTES} are allowed`,
      );
    }
    const bytes = await this.#bytes(length, at);
    if (!bytes.every((byte) => byte > 0x20 && byte < 0x7f)) {
      throw new FormatViolation(
        'GGUF-011',
        at,
        `the key ${shown(bytes.toString('latin1'))} has characters that no key has`,
      );
    }
    return bytes.toString('latin1');
  }

  async #readType(key: string): Promise<ValueType> {
    const id = (await this.#bytes(4, key)).readUInt32LE(0);
    const type = VALUE_TYPES[id];
    if (!type) throw new FormatViolation('GGUF-013', key, `${shown(key)} has the unknown value type ${id}`);
    return type.name;
  }

  async #readScalar(key: string, type: Exclude<ValueType, 'array'>): Promise<MetadataValue> {
    if (type === 'string') return this.#readString(key);
    const raw = await this.#bytes(VALUE_TYPES.find(({ name }) => name === type)!.bytes, key);
    if (type === 'bool' && raw[0]! > 1) this.#badBool(key, raw[0]!);
    return { type, value: readFixed(type, raw, 0) };
  }

  async #readString(key: string): Promise<MetadataValue> {
    const length = await this.#length('GGUF-015', key, 'string');
    if (length > KEPT_STRING_BYTES) {
      const decoder = new TextDecoder('utf-8', { fatal: true });
      let valid = true;
      await this.#stream.consume(length, (piece) => {
        if (valid) valid = decodes(decoder, piece, true);
      });
      if (!valid || !decodes(decoder, Buffer.alloc(0), false)) this.#notUtf8(key);
      return { type: 'string', value: null, bytes: length };
    }
    const bytes = await this.#bytes(length, key);
    if (!isUtf8(bytes)) this.#notUtf8(key);
    const value = bytes.toString('utf8');
    if (!holdsVocabulary(key)) checkText(value, shown(key), this.#findings);
    return { type: 'string', value, bytes: length };
  }

  async #readArray(key: string): Promise<MetadataValue> {
    const element = await this.#readType(key);
    if (element === 'array') throw new FormatViolation('GGUF-014', key, `${shown(key)} is an array of arrays`);
    const declared = (await this.#bytes(8, key)).readBigUInt64LE(0);
    // A string takes at least its 8-byte length.
    const width = element === 'string' ? 8 : VALUE_TYPES.find(({ name }) => name === element)!.bytes;
    const fits = Math.floor(this.#stream.remaining / width);
    if (declared > BigInt(MAX_ARRAY_LENGTH) || declared > BigInt(fits)) {
      throw new FormatViolation(
        'GGUF-016',
        key,
        `the array ${shown(key)} declares ${declared} entries, past the end of the file (${fits} fit at most)`,
      );
    }
    const length = Number(declared);
    const array = vocabularyArray(key);
    if (array !== null) {
      if (length > this.#limits.maxTokens) {
        throw new FormatViolation(
          'GGUF-016',
          key,
          `${shown(key)} has ${length} entries; the limit is ${this.#limits.maxTokens}`,
        );
      }
      this.#vocabulary.setLength(array, length);
    }
    const head: (number | bigint | boolean | string)[] = [];
    if (element === 'string') await this.#readStrings(key, length, head);
    else await this.#readNumbers(key, element, width, length, head);
    return { type: 'array', element, length, head };
  }

  async #readStrings(key: string, count: number, head: (string | number | bigint | boolean)[]): Promise<void> {
    const isVocabulary = key === 'tokenizer.ggml.tokens';
    const exempt = isVocabulary || key === 'tokenizer.ggml.merges';
    for (let index = 0; index < count; index++) {
      const length = await this.#length('GGUF-015', key, `entry ${index} of`);
      if (length > KEPT_STRING_BYTES) {
        throw new FormatViolation(
          'GGUF-015',
          key,
          `entry ${index} of ${shown(key)} has ${length} bytes; ${KEPT_STRING_BYTES} are allowed`,
        );
      }
      const bytes = this.#stream.tryTake(length) ?? (await this.#bytes(length, key));
      const utf8 = isUtf8(bytes);
      if (isVocabulary) this.#vocabulary.token(index, bytes, utf8);
      if (exempt) continue;
      if (!utf8) this.#notUtf8(key);
      if (head.length < KEPT_ARRAY_ENTRIES) {
        const text = bytes.toString('utf8');
        if (!holdsVocabulary(key)) checkText(text, `${shown(key)}[${index}]`, this.#findings);
        head.push(text);
      }
      if (this.#stream.position > this.#limits.maxGgufHeaderBytes) this.#tooLarge();
    }
  }

  async #readNumbers(
    key: string,
    element: ValueType,
    width: number,
    count: number,
    head: (string | number | bigint | boolean)[],
  ): Promise<void> {
    if (count * width > this.#limits.maxGgufHeaderBytes) this.#tooLarge();
    const isTypes = key === 'tokenizer.ggml.token_type' && element === 'i32';
    const perBatch = Math.max(1, Math.floor(65_536 / width));
    for (let start = 0; start < count; start += perBatch) {
      const batch = Math.min(perBatch, count - start);
      const bytes = await this.#bytes(batch * width, key);
      for (let i = 0; i < batch; i++) {
        if (isTypes) this.#vocabulary.tokenType(start + i, bytes.readInt32LE(i * 4));
        if (element === 'bool' && bytes[i]! > 1) this.#badBool(key, bytes[i]!);
        if (head.length < KEPT_ARRAY_ENTRIES) head.push(readFixed(element, bytes, i * width));
        else if (!isTypes && element !== 'bool') break;
      }
    }
  }

  #alignment(): number {
    const entry = this.#metadata.get('general.alignment');
    if (!entry) return DEFAULT_ALIGNMENT;
    if (entry.type !== 'u32') {
      throw new FormatViolation(
        'GGUF-019',
        'general.alignment',
        `general.alignment is of type ${entry.type}; it must be u32`,
      );
    }
    const value = Number(entry.value);
    if (value < 1 || value > MAX_ALIGNMENT || (value & (value - 1)) !== 0) {
      throw new FormatViolation(
        'GGUF-021',
        'general.alignment',
        `the alignment ${value} is not a power of two from 1 to ${MAX_ALIGNMENT}`,
      );
    }
    return value;
  }

  /** What concerns several entries, or needs the architecture, which may come last. */
  #checkMetadata(): void {
    const architecture = stringValue(this.#metadata, 'general.architecture');
    const ids = new Map<string, number>();
    for (const [key, entry] of this.#metadata) {
      checkEntry(key, entry, architecture, this.#findings);
      if (key.startsWith('tokenizer.ggml.') && key.endsWith('_token_id') && entry.type === 'u32')
        ids.set(key, Number(entry.value));
    }
    this.#vocabulary.finish(stringValue(this.#metadata, 'tokenizer.ggml.model'), ids);
  }

  async #readTensorInfo(index: number, names: Set<string>): Promise<TensorInfo> {
    const name = await this.#readTensorName(index);
    if (names.has(name)) throw new FormatViolation('GGUF-032', name, `duplicate tensor name ${shown(name)}`);
    names.add(name);
    const dims = (await this.#bytes(4, name)).readUInt32LE(0);
    if (dims < 1 || dims > 4) {
      throw new FormatViolation('GGUF-033', name, `tensor ${shown(name)} has ${dims} dimensions; 1 to 4 are allowed`);
    }
    const raw = await this.#bytes(dims * 8, name);
    const shape: bigint[] = [];
    for (let i = 0; i < dims; i++) shape.push(raw.readBigInt64LE(i * 8));
    const elements = this.#elements(name, shape);
    const rest = await this.#bytes(12, name);
    const type = this.#tensorType(name, rest.readUInt32LE(0));
    if (shape[0]! % BigInt(type.block) !== 0n) {
      throw new FormatViolation(
        'GGUF-037',
        name,
        `tensor ${shown(name)} has rows of ${shape[0]} values, no multiple of the ${type.name} block of ${type.block}`,
      );
    }
    if (this.#stream.position > this.#limits.maxGgufHeaderBytes) this.#tooLarge();
    return {
      name,
      type,
      shape,
      elements,
      offset: rest.readBigUInt64LE(4),
      size: (elements / BigInt(type.block)) * BigInt(type.bytes),
    };
  }

  async #readTensorName(index: number): Promise<string> {
    const at = `tensor ${index}`;
    const length = await this.#length('GGUF-015', at, 'name of');
    if (length === 0 || length > MAX_TENSOR_NAME_BYTES) {
      throw new FormatViolation(
        'GGUF-030',
        at,
        `the name of ${at} has ${length} bytes; 1 to ${MAX_TENSOR_NAME_BYTES} are allowed`,
      );
    }
    const bytes = await this.#bytes(length, at);
    if (!isUtf8(bytes) || bytes.some((byte) => byte < 0x20 || byte === 0x7f)) {
      throw new FormatViolation(
        'GGUF-031',
        at,
        `the name of ${at} (${shown(bytes.toString('latin1'))}) has control characters or is not UTF-8`,
      );
    }
    return bytes.toString('utf8');
  }

  #elements(name: string, shape: bigint[]): bigint {
    let product = 1n;
    for (const [i, dimension] of shape.entries()) {
      if (dimension < 1n) {
        throw new FormatViolation(
          'GGUF-034',
          name,
          `dimension ${i} of tensor ${shown(name)} is ${dimension}; it must be at least 1`,
        );
      }
      product *= dimension;
      if (product >= INT64_MAX) {
        throw new FormatViolation(
          'GGUF-035',
          name,
          `tensor ${shown(name)} of shape ${shape.join('×')} has more elements than 2^63`,
        );
      }
    }
    return product;
  }

  #tensorType(name: string, id: number): GgmlType {
    const type = GGML_TYPES.get(id);
    if (type) return type;
    const removed = REMOVED_GGML_TYPES.get(id);
    const what = removed
      ? `type ${id} (${removed}), which was removed from the format: convert the model again`
      : `the unknown type ${id}`;
    throw new FormatViolation('GGUF-036', name, `tensor ${shown(name)} has ${what}`);
  }

  /** Offsets must be the running sum of padded sizes, as the engine demands; the message says how they differ. */
  #layOut(
    infos: TensorInfo[],
    alignment: number,
  ): Pick<GgufHeader, 'tensors' | 'dataOffset' | 'dataEnd' | 'paddedEnd'> {
    const fileSize = BigInt(this.#stream.size);
    const step = BigInt(alignment);
    const headerEnd = BigInt(this.#stream.position);
    const dataOffset = infos.length > 0 ? pad(headerEnd, step) : headerEnd;
    let running = 0n;
    let dataEnd = dataOffset;
    let outside: TensorInfo | null = null;
    const tensors: GgufTensor[] = [];
    for (const info of infos) {
      const name = shown(info.name);
      if (info.offset % step !== 0n) {
        throw new FormatViolation(
          'GGUF-040',
          info.name,
          `tensor ${name} starts at ${info.offset}, no multiple of the alignment ${alignment}`,
        );
      }
      if (info.offset < running) {
        throw new FormatViolation(
          'GGUF-042',
          info.name,
          `tensor ${name} starts at ${info.offset} and overlaps the one that ends at ${running}`,
        );
      }
      if (info.offset > running) {
        throw new FormatViolation(
          'GGUF-041',
          info.name,
          `tensor ${name} starts at ${info.offset}, which leaves a hole: ${running} was due`,
        );
      }
      const start = dataOffset + info.offset;
      if (start + info.size > fileSize) outside ??= info;
      running += pad(info.size, step);
      if (running > INT64_MAX)
        throw new FormatViolation(
          'GGUF-038',
          info.name,
          `the sizes up to tensor ${name} add up to more than 2^63 bytes`,
        );
      dataEnd = start + info.size;
      tensors.push({
        name: info.name,
        type: info.type,
        shape: info.shape.map(Number),
        offset: Number(start),
        size: Number(info.size),
        elements: Number(info.elements),
      });
    }
    // Last, so that a wrong layout is called by its name even where it also reaches past the end.
    if (outside !== null) {
      const end = dataOffset + outside.offset + outside.size;
      throw new FormatViolation(
        'GGUF-043',
        outside.name,
        `tensor ${shown(outside.name)} ends at byte ${end}, past the end of the file (${fileSize} bytes)`,
      );
    }
    const paddedEnd = infos.length > 0 ? dataOffset + running : pad(headerEnd, step);
    return { tensors, dataOffset: Number(dataOffset), dataEnd: Number(dataEnd), paddedEnd: Number(paddedEnd) };
  }

  /** A 64-bit length, compared with the bytes left before anyone uses it. */
  async #length(rule: 'GGUF-015', where: string, what: string): Promise<number> {
    const raw = this.#stream.tryTake(8) ?? (await this.#bytes(8, where));
    const low = raw.readUInt32LE(0);
    const high = raw.readUInt32LE(4);
    if (high === 0 && low <= this.#stream.remaining) return low;
    const declared = raw.readBigUInt64LE(0);
    if (declared <= BigInt(this.#stream.remaining)) return Number(declared);
    throw new FormatViolation(
      rule,
      where,
      `the ${what} ${shown(where)} declares ${declared} bytes, past end of file (${this.#stream.remaining} left)`,
    );
  }

  async #bytes(n: number, what: string): Promise<Buffer> {
    if (n > this.#stream.remaining) {
      throw new FormatViolation(
        'GGUF-004',
        shown(what),
        `the file ends inside its header, past end of file at ${shown(what)}`,
      );
    }
    return this.#stream.take(n);
  }

  #tooLarge(): never {
    throw new FormatViolation(
      'GGUF-007',
      `byte ${this.#stream.position}`,
      `the header is too large: more than ${this.#limits.maxGgufHeaderBytes} bytes before the tensor data`,
    );
  }

  #badBool(key: string, value: number): void {
    this.#findings.add('GGUF-017', key, `the bool ${shown(key)} holds ${value}, neither 0 nor 1`);
  }

  #notUtf8(key: string): void {
    this.#findings.add('GGUF-018', key, `${shown(key)} is not valid UTF-8`);
  }
}

interface TensorInfo {
  name: string;
  type: GgmlType;
  shape: bigint[];
  elements: bigint;
  offset: bigint;
  size: bigint;
}

/** The string under `key`, or null when there is none or it is of another type. */
export function stringValue(metadata: ReadonlyMap<string, MetadataValue>, key: string): string | null {
  const entry = metadata.get(key);
  return entry?.type === 'string' ? entry.value : null;
}

/** Words of many scripts are a tokenizer's business, invisible ones too; its templates are texts like any other. */
function holdsVocabulary(key: string): boolean {
  return key.startsWith('tokenizer.') && !key.includes('chat_template');
}

function pad(n: bigint, step: bigint): bigint {
  return ((n + step - 1n) / step) * step;
}

function vocabularyArray(key: string): 'tokens' | 'scores' | 'token_type' | null {
  if (key === 'tokenizer.ggml.tokens') return 'tokens';
  if (key === 'tokenizer.ggml.scores') return 'scores';
  if (key === 'tokenizer.ggml.token_type') return 'token_type';
  return null;
}

function decodes(decoder: InstanceType<typeof TextDecoder>, bytes: Buffer, stream: boolean): boolean {
  try {
    decoder.decode(bytes, { stream });
    return true;
  } catch {
    return false;
  }
}
