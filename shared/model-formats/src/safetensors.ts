import { parseStrict, StrictJsonError } from '@secai/json';
import { FormatViolation } from './errors.ts';
import type { FileStream } from './file-stream.ts';
import { type FindingList, shown } from './findings.ts';
import { checkText } from './text-checks.ts';
import type { ScanLimits } from './types.ts';

/** The format's own bound (safetensors `MAX_HEADER_SIZE`). */
const FORMAT_MAX_HEADER = 100_000_000;
const MAX_RANK = 32;
const MAX_NAME_BYTES = 4096;

/** Bits per value of every dtype of the format. */
const DTYPE_BITS: ReadonlyMap<string, number> = new Map([
  ['BOOL', 8],
  ['F4', 4],
  ['F6_E2M3', 6],
  ['F6_E3M2', 6],
  ['U8', 8],
  ['I8', 8],
  ['F8_E5M2', 8],
  ['F8_E4M3', 8],
  ['F8_E8M0', 8],
  ['F8_E4M3FNUZ', 8],
  ['F8_E5M2FNUZ', 8],
  ['I16', 16],
  ['U16', 16],
  ['F16', 16],
  ['BF16', 16],
  ['I32', 32],
  ['U32', 32],
  ['F32', 32],
  ['C64', 64],
  ['F64', 64],
  ['I64', 64],
  ['U64', 64],
]);

export interface SafetensorsTensor {
  name: string;
  dtype: string;
  shape: number[];
  /** From the start of the file. */
  offset: number;
  size: number;
  elements: number;
}

export interface SafetensorsHeader {
  metadata: Map<string, string>;
  /** In the order of their data. */
  tensors: SafetensorsTensor[];
  dataOffset: number;
}

/**
 * Reads a safetensors header with the rules of the reference reader and stricter ones (duplicate keys, unknown
 * fields). Throws FormatViolation; adds to `findings` what does not make the structure doubtful.
 */
export async function readSafetensorsHeader(
  stream: FileStream,
  limits: ScanLimits,
  findings: FindingList,
): Promise<SafetensorsHeader> {
  const text = await readHeaderBytes(stream, limits);
  const entries = parseHeader(text);
  const dataOffset = stream.position;
  const metadata = readMetadata(entries, findings);
  const names = Object.keys(entries).filter((name) => name !== '__metadata__');
  if (names.length === 0) throw new FormatViolation('ST-017', 'header', 'the file holds no tensors');
  if (names.length > limits.maxTensors) {
    throw new FormatViolation(
      'ST-018',
      'header',
      `too many tensors: ${names.length}, the limit is ${limits.maxTensors}`,
    );
  }
  const tensors = names.map((name) => readTensor(name, entries[name], dataOffset, findings));
  tensors.sort((a, b) => a.offset - b.offset || a.size - b.size);
  checkLayout(tensors, dataOffset, stream.size);
  return { metadata, tensors, dataOffset };
}

async function readHeaderBytes(stream: FileStream, limits: ScanLimits): Promise<Buffer> {
  if (stream.remaining < 10) {
    throw new FormatViolation(
      'ST-001',
      'byte 0',
      `the file has ${stream.remaining} bytes, too few for a safetensors header`,
    );
  }
  const declared = (await stream.take(8)).readBigUInt64LE(0);
  const limit = Math.min(FORMAT_MAX_HEADER, limits.maxSafetensorsHeaderBytes);
  if (declared > BigInt(limit)) {
    throw new FormatViolation(
      'ST-002',
      'byte 0',
      `the header is too large: ${declared} bytes declared, ${limit} are allowed`,
    );
  }
  if (declared > BigInt(stream.remaining)) {
    throw new FormatViolation('ST-003', 'byte 0', `the header of ${declared} bytes goes past the end of the file`);
  }
  const bytes = await stream.take(Number(declared));
  if (bytes[0] !== 0x7b) throw new FormatViolation('ST-004', 'byte 8', 'the header does not start with {');
  return bytes;
}

function parseHeader(bytes: Buffer): Record<string, unknown> {
  try {
    return parseStrict(bytes, { maxDepth: 8 }) as Record<string, unknown>;
  } catch (error) {
    if (!(error instanceof StrictJsonError)) throw error;
    throw new FormatViolation(
      error.code === 'duplicate_key' ? 'ST-006' : 'ST-005',
      'header',
      `header: ${error.message}`,
    );
  }
}

function readMetadata(entries: Record<string, unknown>, findings: FindingList): Map<string, string> {
  const metadata = new Map<string, string>();
  if (!Object.hasOwn(entries, '__metadata__')) return metadata;
  const value = entries['__metadata__'];
  if (!isObject(value)) throw new FormatViolation('ST-007', '__metadata__', '__metadata__ is not an object');
  for (const [key, text] of Object.entries(value)) {
    if (typeof text !== 'string') {
      throw new FormatViolation(
        'ST-007',
        `__metadata__.${shown(key)}`,
        `__metadata__ maps ${shown(key)} to something that is not a string`,
      );
    }
    checkText(text, `__metadata__.${shown(key)}`, findings);
    metadata.set(key, text);
  }
  return metadata;
}

function readTensor(name: string, entry: unknown, dataOffset: number, findings: FindingList): SafetensorsTensor {
  if (name.length === 0 || Buffer.byteLength(name) > MAX_NAME_BYTES || /[\u0000-\u001f\u007f]/.test(name)) {
    throw new FormatViolation(
      'ST-019',
      shown(name),
      `the tensor name ${shown(name)} is empty, too long or has control characters`,
    );
  }
  if (!isObject(entry) || Object.keys(entry).sort().join() !== 'data_offsets,dtype,shape') {
    throw new FormatViolation('ST-008', name, `tensor ${shown(name)} must have exactly dtype, shape and data_offsets`);
  }
  const { dtype, shape, data_offsets: offsets } = entry;
  const bits = typeof dtype === 'string' ? DTYPE_BITS.get(dtype) : undefined;
  if (typeof dtype !== 'string' || bits === undefined) {
    throw new FormatViolation(
      'ST-009',
      name,
      `tensor ${shown(name)} has the unsupported dtype ${shown(String(dtype))}`,
    );
  }
  if (!isIntegers(shape) || shape.length > MAX_RANK) {
    throw new FormatViolation(
      'ST-010',
      name,
      `the shape of tensor ${shown(name)} is not a list of at most ${MAX_RANK} non-negative integers`,
    );
  }
  if (!isIntegers(offsets) || offsets.length !== 2 || offsets[0]! > offsets[1]!) {
    throw new FormatViolation(
      'ST-011',
      name,
      `the data_offsets of tensor ${shown(name)} are not two integers in order`,
    );
  }
  const elements = shape.reduce((product, dimension) => product * BigInt(dimension), 1n);
  const size = BigInt(offsets[1]! - offsets[0]!);
  if (elements > BigInt(Number.MAX_SAFE_INTEGER)) {
    throw new FormatViolation('ST-010', name, `tensor ${shown(name)} has more elements than can be counted`);
  }
  const exact = elements * BigInt(bits);
  if ((exact + 7n) / 8n !== size) {
    throw new FormatViolation(
      'ST-014',
      name,
      `the ${size} bytes of tensor ${shown(name)} do not match: its byte length does not match shape ${JSON.stringify(shape)} of ${dtype}`,
    );
  }
  if (exact % 8n !== 0n) {
    findings.add('ST-020', name, `the ${elements} values of tensor ${shown(name)} do not fill whole bytes`);
  }
  return { name, dtype, shape, offset: dataOffset + offsets[0]!, size: Number(size), elements: Number(elements) };
}

function checkLayout(tensors: SafetensorsTensor[], dataOffset: number, fileSize: number): void {
  let due = dataOffset;
  for (const tensor of tensors) {
    const name = shown(tensor.name);
    if (tensor.offset < due)
      throw new FormatViolation('ST-012', tensor.name, `tensor ${name} overlaps the one before it`);
    if (tensor.offset > due) {
      throw new FormatViolation(
        'ST-013',
        tensor.name,
        `there is a hole of ${tensor.offset - due} bytes before tensor ${name}`,
      );
    }
    due = tensor.offset + tensor.size;
    if (due > fileSize) {
      throw new FormatViolation(
        'ST-016',
        tensor.name,
        `tensor ${name} ends at byte ${due}, past the end of the file (${fileSize} bytes)`,
      );
    }
  }
  if (due < fileSize) {
    throw new FormatViolation(
      'ST-015',
      `byte ${due}`,
      `there are ${fileSize - due} trailing bytes after the last tensor`,
    );
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Integers that a double holds exactly; anything above 2^53 is refused rather than rounded. */
function isIntegers(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((item) => Number.isSafeInteger(item) && item >= 0 && !Object.is(item, -0));
}
