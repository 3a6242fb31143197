import { GGML_TYPES } from '../ggml-types.ts';
import { VALUE_TYPES, type ValueType } from '../gguf/values.ts';

/** A metadata value to write. Plain strings become `string`, booleans `bool`, arrays of strings `string[]`. */
export type GgufValue =
  | string
  | boolean
  | string[]
  | { type: Exclude<ValueType, 'array'>; value: number | bigint | boolean | string | Uint8Array }
  | { type: 'array'; element: ValueType; values: (number | bigint | boolean | string)[]; length?: bigint }
  /** Anything at all: a raw type id and the bytes after it. */
  | { raw: { typeId: number; bytes: Uint8Array } };

export interface GgufTensorSpec {
  name: string | Uint8Array;
  /** ggml type id; default 0 (F32). */
  type?: number;
  shape?: (number | bigint)[];
  /** Default: deterministic bytes that are ordinary numbers for the type. */
  data?: Uint8Array;
  /** Overrides the computed offset. */
  offset?: bigint;
  /** Overrides the number of dimensions that is written, not the dimensions. */
  dims?: number;
}

export interface GgufSpec {
  magic?: string;
  version?: number;
  /** Replaces single entries of `DEFAULT_METADATA`; undefined removes one. */
  metadata?: Record<string, GgufValue | undefined>;
  /** Entries written after `metadata`, as they are: duplicates, raw keys. */
  extraEntries?: [key: string | Uint8Array, value: GgufValue][];
  /** Start from no metadata at all. */
  bare?: boolean;
  tensors?: GgufTensorSpec[];
  /** What the layout uses; written as `general.alignment` when it is not 32. */
  alignment?: number;
  tensorCount?: bigint;
  metadataCount?: bigint;
  paddingByte?: number;
  /** Leave out the padding after the last tensor. */
  unpadded?: boolean;
  /** Bytes after everything. */
  trailing?: Uint8Array;
}

/** A complete little llama: enough keys for a loader, five tokens. */
export const DEFAULT_METADATA: Readonly<Record<string, GgufValue>> = {
  'general.architecture': 'llama',
  'general.name': 'Tiny test model',
  'llama.block_count': { type: 'u32', value: 1 },
  'llama.context_length': { type: 'u32', value: 128 },
  'llama.embedding_length': { type: 'u32', value: 32 },
  'llama.attention.head_count': { type: 'u32', value: 4 },
  'llama.attention.layer_norm_rms_epsilon': { type: 'f32', value: 1e-5 },
  'tokenizer.ggml.model': 'llama',
  'tokenizer.ggml.tokens': ['<unk>', '<s>', '</s>', '<0x0A>', 'hello'],
  'tokenizer.ggml.scores': { type: 'array', element: 'f32', values: [0, 0, 0, 0, -1] },
  'tokenizer.ggml.token_type': { type: 'array', element: 'i32', values: [2, 3, 3, 6, 1] },
  'tokenizer.ggml.bos_token_id': { type: 'u32', value: 1 },
  'tokenizer.ggml.eos_token_id': { type: 'u32', value: 2 },
};

export const DEFAULT_TENSORS: readonly GgufTensorSpec[] = [
  { name: 'token_embd.weight', shape: [32, 5] },
  { name: 'blk.0.attn_norm.weight', shape: [32] },
  { name: 'output.weight', type: 8, shape: [32, 5] },
];

/** Writes a GGUF file. Without a spec it is a valid tiny model; every override can make it a malformed one. */
export function buildGguf(spec: GgufSpec = {}): Buffer {
  const alignment = spec.alignment ?? 32;
  const entries: [string | Uint8Array, GgufValue][] = [];
  const base: Record<string, GgufValue | undefined> = spec.bare ? {} : { ...DEFAULT_METADATA };
  if (alignment !== 32) base['general.alignment'] = { type: 'u32', value: alignment };
  for (const [key, value] of Object.entries({ ...base, ...spec.metadata }))
    if (value !== undefined) entries.push([key, value]);
  entries.push(...(spec.extraEntries ?? []));
  const tensors = spec.tensors ?? (spec.bare ? [] : DEFAULT_TENSORS);
  const data = tensors.map(tensorData);
  const header = [
    Buffer.from(spec.magic ?? 'GGUF', 'latin1'),
    u32(spec.version ?? 3),
    u64(spec.tensorCount ?? BigInt(tensors.length)),
    u64(spec.metadataCount ?? BigInt(entries.length)),
    ...entries.flatMap(([key, value]) => [string(key), encode(value)]),
  ];
  let running = 0;
  for (const [i, tensor] of tensors.entries()) {
    const shape = tensor.shape ?? [32];
    header.push(
      string(tensor.name),
      u32(tensor.dims ?? shape.length),
      ...shape.map((dimension) => u64(BigInt(dimension))),
    );
    header.push(u32(tensor.type ?? 0), u64(tensor.offset ?? BigInt(running)));
    running += data[i]!.length + padding(data[i]!.length, alignment);
  }
  const fill = (length: number): Buffer => Buffer.alloc(padding(length, alignment), spec.paddingByte ?? 0);
  const head = Buffer.concat(header);
  const body = data.flatMap((bytes, i) =>
    spec.unpadded && i === data.length - 1 ? [bytes] : [bytes, fill(bytes.length)],
  );
  return Buffer.concat([
    head,
    ...(tensors.length > 0 ? [fill(head.length)] : []),
    ...body,
    spec.trailing ?? Buffer.alloc(0),
  ]);
}

/** Ordinary-looking bytes of `length`: numbers around zero for F32 and F16, small positive scales for Q8_0. */
export function ordinaryData(type: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  let state = 0x9e3779b9;
  const next = (): number => {
    state = (Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x6d2b79f5) | 0;
    return state >>> 0;
  };
  const block = GGML_TYPES.get(type);
  const layout = block?.layout;
  if (type === 0) for (let at = 0; at + 4 <= length; at += 4) bytes.writeFloatLE((next() / 2 ** 32 - 0.5) * 0.2, at);
  else if (!block || layout?.kind !== 'scaled') for (let at = 0; at < length; at++) bytes[at] = next() & 0x3b;
  else {
    for (let at = 0; at < length; at++) bytes[at] = next() >>> 24;
    const { offsets, scale } = layout;
    const width = scale === 'f16' ? 2 : scale === 'f32' ? 4 : 1;
    for (let at = 0; at + block.bytes <= length; at += block.bytes) {
      for (const offset of offsets) bytes.fill(scale === 'f16' ? 0x28 : 0x3c, at + offset, at + offset + width);
    }
  }
  return bytes;
}

function tensorData(tensor: GgufTensorSpec): Uint8Array {
  if (tensor.data) return tensor.data;
  const type = GGML_TYPES.get(tensor.type ?? 0);
  const elements = (tensor.shape ?? [32]).reduce<bigint>((product, dimension) => product * BigInt(dimension), 1n);
  // Impossible shapes are for the header alone.
  if (!type || elements < 0n || elements > 2n ** 24n) return Buffer.alloc(0);
  return ordinaryData(tensor.type ?? 0, Math.floor(Number(elements) / type.block) * type.bytes);
}

function encode(value: GgufValue): Buffer {
  if (typeof value === 'string') return encode({ type: 'string', value });
  if (typeof value === 'boolean') return encode({ type: 'bool', value });
  if (Array.isArray(value)) return encode({ type: 'array', element: 'string', values: value });
  if ('raw' in value) return Buffer.concat([u32(value.raw.typeId), value.raw.bytes]);
  if (value.type === 'array') {
    const head = [u32(typeId('array')), u32(typeId(value.element)), u64(value.length ?? BigInt(value.values.length))];
    return Buffer.concat([...head, ...value.values.map((item) => encodeBare(value.element, item))]);
  }
  return Buffer.concat([u32(typeId(value.type)), encodeBare(value.type, value.value)]);
}

function encodeBare(type: ValueType, value: number | bigint | boolean | string | Uint8Array): Buffer {
  if (type === 'string') return string(value as string | Uint8Array);
  const bytes = Buffer.alloc(VALUE_TYPES[typeId(type)]!.bytes);
  const number = Number(value);
  if (type === 'f32') bytes.writeFloatLE(number);
  else if (type === 'f64') bytes.writeDoubleLE(number);
  else if (type === 'u64') bytes.writeBigUInt64LE(BigInt(value as number));
  else if (type === 'i64') bytes.writeBigInt64LE(BigInt(value as number));
  else if (type.startsWith('i')) bytes.writeIntLE(number, 0, bytes.length);
  else bytes.writeUIntLE(number, 0, bytes.length);
  return bytes;
}

function typeId(type: ValueType): number {
  return VALUE_TYPES.findIndex(({ name }) => name === type);
}

function string(text: string | Uint8Array): Buffer {
  const bytes = Buffer.from(text as string);
  return Buffer.concat([u64(BigInt(bytes.length)), bytes]);
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value >>> 0);
  return bytes;
}

function u64(value: bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt.asUintN(64, value));
  return bytes;
}

function padding(length: number, alignment: number): number {
  return (alignment - (length % alignment)) % alignment;
}
