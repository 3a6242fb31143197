import { shown } from './findings.ts';
import type { FormatId } from './types.ts';

/** What a file is by its bytes, and whether its kind is accepted. */
export interface Identification {
  format: FormatId;
  accepted: boolean;
  /** One or two sentences for a person. */
  description: string;
  /** The format that the name's ending claims, when that is another one. */
  claimed: FormatId | null;
  /** A second format found at the end of the file. */
  alsoAt: { format: FormatId; where: string } | null;
}

const PICKLE_DANGER =
  'Pickle files run code when they are loaded, so they are never accepted, scanned or not. Look for the model as GGUF or safetensors.';
const ARCHIVE = 'Archives are not accepted. Unpack it and import the GGUF or safetensors file inside.';
const PROGRAM = 'It is a program, not a model.';

const DESCRIPTIONS: Record<FormatId, string> = {
  gguf: 'A GGUF model.',
  'gguf-big-endian': 'A GGUF model for big-endian machines. Convert it to little-endian first.',
  'ggml-legacy': 'A model in an old GGML format that no current engine loads. Look for a GGUF version of it.',
  safetensors: 'A safetensors model.',
  onnx: 'An ONNX model. ONNX is not accepted yet; look for the model as GGUF or safetensors.',
  pickle: `A Python pickle. ${PICKLE_DANGER}`,
  'torch-zip': `A PyTorch archive: a ZIP with a Python pickle inside. ${PICKLE_DANGER}`,
  zip: `A ZIP archive. ${ARCHIVE}`,
  numpy: 'A NumPy array, which can carry Python pickles. Look for the model as GGUF or safetensors.',
  '7z': `A 7z archive. ${ARCHIVE}`,
  tar: `A tar archive. ${ARCHIVE}`,
  gzip: `A gzip-compressed file. ${ARCHIVE}`,
  xz: `An xz-compressed file. ${ARCHIVE}`,
  bzip2: `A bzip2-compressed file. ${ARCHIVE}`,
  zstd: `A Zstandard-compressed file. ${ARCHIVE}`,
  rar: `A RAR archive. ${ARCHIVE}`,
  hdf5: 'An HDF5 file, as Keras uses it. Keras models can carry code (Lambda layers), so they are not accepted.',
  'tf-saved-model': 'A TensorFlow SavedModel. Its graph can read and write files, so it is not accepted.',
  tflite: 'A TensorFlow Lite model. It is not accepted; look for the model as GGUF or safetensors.',
  elf: `A Linux executable (ELF). ${PROGRAM}`,
  pe: `A Windows executable. ${PROGRAM}`,
  'mach-o': `A macOS executable. ${PROGRAM}`,
  'java-class': `A Java class. ${PROGRAM}`,
  wasm: `A WebAssembly module. ${PROGRAM}`,
  script: 'A script. It is a program, not a model.',
  html: 'A web page, not a model. A download link may have led to a login or error page.',
  xml: 'An XML document, not a model. A download link may have led to an error message.',
  json: 'A JSON text, not a model. It may be a configuration file, or an error message in place of a download.',
  pdf: 'A PDF document, not a model.',
  image: 'A picture, not a model.',
  sqlite: 'An SQLite database, not a model.',
  text: 'A text, not a model. A Git LFS pointer looks like this: fetch the file itself.',
  empty: 'An empty file.',
  unknown: 'Its content is of no known kind. Only GGUF and safetensors models are accepted.',
};

/** What endings claim; an ending that is not listed claims nothing. */
const ENDINGS: Record<string, FormatId> = {
  gguf: 'gguf',
  ggml: 'ggml-legacy',
  safetensors: 'safetensors',
  onnx: 'onnx',
  pkl: 'pickle',
  pickle: 'pickle',
  joblib: 'pickle',
  dill: 'pickle',
  pt: 'torch-zip',
  pth: 'torch-zip',
  ckpt: 'torch-zip',
  bin: 'torch-zip',
  npy: 'numpy',
  npz: 'zip',
  zip: 'zip',
  keras: 'zip',
  mar: 'zip',
  nemo: 'tar',
  tar: 'tar',
  gz: 'gzip',
  tgz: 'gzip',
  xz: 'xz',
  bz2: 'bzip2',
  zst: 'zstd',
  '7z': '7z',
  rar: 'rar',
  h5: 'hdf5',
  hdf5: 'hdf5',
  pb: 'tf-saved-model',
  tflite: 'tflite',
  exe: 'pe',
  dll: 'pe',
  so: 'elf',
  sh: 'script',
  py: 'script',
  html: 'html',
  htm: 'html',
  json: 'json',
  txt: 'text',
  md: 'text',
};

const MAGICS: { at?: number; bytes: Buffer; format: FormatId }[] = [
  { bytes: hex('7f454c46'), format: 'elf' },
  { bytes: latin('\x93NUMPY'), format: 'numpy' },
  { bytes: hex('377abcaf271c'), format: '7z' },
  { bytes: hex('1f8b'), format: 'gzip' },
  { bytes: hex('fd377a585a00'), format: 'xz' },
  { bytes: latin('BZh'), format: 'bzip2' },
  { bytes: hex('28b52ffd'), format: 'zstd' },
  { bytes: latin('Rar!\x1a\x07'), format: 'rar' },
  { bytes: hex('894844460d0a1a0a'), format: 'hdf5' },
  { at: 257, bytes: latin('ustar'), format: 'tar' },
  { at: 4, bytes: latin('TFL3'), format: 'tflite' },
  { bytes: hex('feedface'), format: 'mach-o' },
  { bytes: hex('feedfacf'), format: 'mach-o' },
  { bytes: hex('cefaedfe'), format: 'mach-o' },
  { bytes: hex('cffaedfe'), format: 'mach-o' },
  { bytes: hex('cafebabe'), format: 'java-class' },
  { bytes: hex('0061736d'), format: 'wasm' },
  { bytes: latin('%PDF-'), format: 'pdf' },
  { bytes: hex('89504e470d0a1a0a'), format: 'image' },
  { bytes: hex('ffd8ff'), format: 'image' },
  { bytes: latin('GIF8'), format: 'image' },
  { bytes: latin('SQLite format 3\0'), format: 'sqlite' },
  ...['ggml', 'ggmf', 'ggjt', 'ggla', 'lmgg', 'fmgg', 'tjgg', 'GGML', 'GGMF', 'GGJT'].map((magic) => ({
    bytes: latin(magic),
    format: 'ggml-legacy' as const,
  })),
];

/**
 * Says what a file is from its first bytes (512 are enough, 4 KiB better), its last 64 KiB and its name. Never throws.
 * A plain sentence explains why what is not accepted is not.
 */
export function identifyFormat(head: Uint8Array, tail: Uint8Array, name: string): Identification {
  const bytes = Buffer.from(head.buffer, head.byteOffset, head.length);
  const ending = name.includes('.') ? name.slice(name.lastIndexOf('.') + 1).toLowerCase() : '';
  const format = byContent(bytes, Object.hasOwn(ENDINGS, ending) ? ENDINGS[ending]! : null);
  const claimed = Object.hasOwn(ENDINGS, ending) && !agrees(ENDINGS[ending]!, format) ? ENDINGS[ending]! : null;
  const alsoAt = format === 'zip' || format === 'torch-zip' ? null : appended(tail);
  const accepted = (format === 'gguf' || format === 'safetensors') && claimed === null && alsoAt === null;
  return { format, accepted, description: describe(format, ending, claimed, alsoAt), claimed, alsoAt };
}

function byContent(bytes: Buffer, claimed: FormatId | null): FormatId {
  if (bytes.length === 0) return 'empty';
  if (startsWith(bytes, latin('GGUF'))) return isBigEndianGguf(bytes) ? 'gguf-big-endian' : 'gguf';
  if (isSafetensors(bytes, claimed)) return 'safetensors';
  for (const { at = 0, bytes: magic, format } of MAGICS) if (startsWith(bytes, magic, at)) return format;
  if (startsWith(bytes, latin('PK\x03\x04')) || startsWith(bytes, latin('PK\x05\x06')))
    return isTorchZip(bytes) ? 'torch-zip' : 'zip';
  if (startsWith(bytes, latin('MZ'))) return 'pe';
  if (isPickle(bytes)) return 'pickle';
  if (isOnnx(bytes)) return claimed === 'tf-saved-model' ? 'tf-saved-model' : 'onnx';
  if (startsWith(bytes, hex('0801')) && claimed === 'tf-saved-model') return 'tf-saved-model';
  return textKind(bytes);
}

function isBigEndianGguf(bytes: Buffer): boolean {
  if (bytes.length < 8) return false;
  const version = bytes.readUInt32BE(4);
  return version >= 1 && version <= 3;
}

/** A length of at most 100 MB and an opening brace; a file that claims to be one is held to the rules even when broken. */
function isSafetensors(bytes: Buffer, claimed: FormatId | null): boolean {
  if (bytes.length < 9 || bytes[8] !== 0x7b) return false;
  return claimed === 'safetensors' || bytes.readBigUInt64LE(0) <= 100_000_000n;
}

function isTorchZip(bytes: Buffer): boolean {
  return /(?:^|\/)(?:data\.pkl|\.format_version|constants\.pkl|\.data\/serialization_id|byteorder)/.test(
    bytes.subarray(30, 30 + bytes.readUInt16LE(Math.min(26, bytes.length - 2))).toString('latin1'),
  );
}

/** Protocol 2 to 5 has a PROTO opcode; older pickles are recognised by their first opcodes. */
function isPickle(bytes: Buffer): boolean {
  if (bytes[0] === 0x80 && bytes.length >= 2 && bytes[1]! <= 5) return true;
  const start = bytes.subarray(0, 256).toString('latin1');
  return /^(?:\(?(?:c[A-Za-z_][\w.]*\n[A-Za-z_][\w.]*\n|i[A-Za-z_][\w.]*\n[A-Za-z_][\w.]*\n)|\((?:dp?|lp?|tp?)\d*\n|[\](}]q\x00)/.test(
    start,
  );
}

/** ModelProto begins with ir_version (field 1) and then producer, domain, graph or opset (onnx.proto). */
function isOnnx(bytes: Buffer): boolean {
  return (
    bytes[0] === 0x08 &&
    bytes.length > 2 &&
    bytes[1]! >= 1 &&
    bytes[1]! <= 20 &&
    [0x12, 0x1a, 0x22, 0x28, 0x32, 0x3a, 0x42].includes(bytes[2]!)
  );
}

function textKind(bytes: Buffer): FormatId {
  const text = bytes.subarray(0, 512).toString('latin1');
  if (/^#![ \t]*\//.test(text)) return 'script';
  const trimmed = text.replace(/^(?:\xef\xbb\xbf)?\s+|^\xef\xbb\xbf/, '').toLowerCase();
  if (/^(?:<!doctype html|<html|<head|<body|<script)/.test(trimmed)) return 'html';
  if (trimmed.startsWith('<?xml') || trimmed.startsWith('<error>')) return 'xml';
  if (/^[{[]\s*["{[\]}\d]/.test(trimmed)) return 'json';
  return /^[\t\n\r\x20-\x7e\x80-\xff]+$/.test(text) && /[a-z]/i.test(text) ? 'text' : 'unknown';
}

/** A ZIP is found from its end, so any file with an end record there also opens as a ZIP (APPNOTE 4.3.16). */
function appended(tail: Uint8Array): Identification['alsoAt'] {
  const bytes = Buffer.from(tail.buffer, tail.byteOffset, tail.length);
  const record = latin('PK\x05\x06');
  for (let at = bytes.lastIndexOf(record); at !== -1; at = at === 0 ? -1 : bytes.lastIndexOf(record, at - 1)) {
    if (at + 22 > bytes.length) continue;
    const entries = bytes.readUInt16LE(at + 10);
    const comment = bytes.readUInt16LE(at + 20);
    if (
      at + 22 + comment <= bytes.length &&
      bytes.readUInt16LE(at + 4) === bytes.readUInt16LE(at + 6) &&
      (entries > 0 || at + 22 + comment === bytes.length)
    ) {
      return { format: 'zip', where: `${bytes.length - at} bytes before the end` };
    }
  }
  return null;
}

function agrees(claimed: FormatId, format: FormatId): boolean {
  const family = (id: FormatId): string => (['pickle', 'torch-zip', 'zip'].includes(id) ? 'pickle or zip' : id);
  return (
    claimed === format || family(claimed) === family(format) || (claimed === 'gguf' && format === 'gguf-big-endian')
  );
}

function describe(
  format: FormatId,
  ending: string,
  claimed: FormatId | null,
  alsoAt: Identification['alsoAt'],
): string {
  let text = DESCRIPTIONS[format];
  if (claimed) text += ` Its name ends in .${shown(ending, 20)}, which does not fit.`;
  if (alsoAt) text += ' At its end lies a ZIP archive: the file is two things at once.';
  return text;
}

function startsWith(bytes: Buffer, magic: Buffer, at = 0): boolean {
  return bytes.length >= at + magic.length && bytes.compare(magic, 0, magic.length, at, at + magic.length) === 0;
}

function latin(text: string): Buffer {
  return Buffer.from(text, 'latin1');
}

function hex(text: string): Buffer {
  return Buffer.from(text, 'hex');
}
