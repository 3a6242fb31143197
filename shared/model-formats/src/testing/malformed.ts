import type { RuleId } from '../rules.ts';
import { buildGguf, type GgufSpec, type GgufTensorSpec } from './gguf.ts';
import { buildSafetensors, type SafetensorsSpec } from './safetensors.ts';

/** A file that must be refused, and the rule that must say so. */
export interface MalformedFile {
  name: string;
  bytes: Buffer;
  rule: RuleId;
}

const HUGE = 2n ** 63n;
const ELF = Buffer.from('7f454c4602010100000000000000000002003e0001000000', 'hex');
const ZIP = tinyZip();

/** A ZIP with one empty file "a": local header, central directory, end record (APPNOTE 4.3). */
function tinyZip(): Buffer {
  const local = Buffer.alloc(31);
  local.write('PK\x03\x04', 'latin1');
  local.writeUInt16LE(10, 4);
  local.writeUInt16LE(1, 26);
  local.write('a', 30);
  const central = Buffer.alloc(47);
  central.write('PK\x01\x02', 'latin1');
  central.writeUInt16LE(10, 6);
  central.writeUInt16LE(1, 28);
  central.write('a', 46);
  const end = Buffer.alloc(22);
  end.write('PK\x05\x06', 'latin1');
  end.writeUInt16LE(1, 8);
  end.writeUInt16LE(1, 10);
  end.writeUInt32LE(central.length, 12);
  end.writeUInt32LE(local.length, 16);
  return Buffer.concat([local, central, end]);
}

function key(length: bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(length);
  return bytes;
}

/** Malformed GGUF files: the kinds of llama.cpp's test-gguf.cpp, the published CVE tricks, and this project's own rules. */
export function malformedGguf(): MalformedFile[] {
  const valid = buildGguf();
  const gguf = (name: string, rule: RuleId, spec: GgufSpec): MalformedFile => ({ name, rule, bytes: buildGguf(spec) });
  const tensor = (name: string, rule: RuleId, spec: Partial<GgufTensorSpec>): MalformedFile =>
    gguf(name, rule, { tensors: [{ name: 'a', shape: [32], ...spec }] });
  const two = (
    name: string,
    rule: RuleId,
    first: Partial<GgufTensorSpec>,
    second: Partial<GgufTensorSpec>,
  ): MalformedFile =>
    gguf(name, rule, {
      tensors: [
        { name: 'a', shape: [32], ...first },
        { name: 'b', shape: [32], ...second },
      ],
    });
  const entry = (name: string, rule: RuleId, value: { typeId: number; bytes: Uint8Array }): MalformedFile =>
    gguf(name, rule, { extraEntries: [['x', { raw: value }]], tensors: [] });
  const bigEndian = buildGguf({ version: 0x03000000 });
  return [
    { name: 'empty', rule: 'FMT-004', bytes: Buffer.alloc(0) },
    gguf('wrong magic', 'FMT-001', { magic: 'FUGU' }),
    gguf('version 0', 'GGUF-002', { version: 0 }),
    gguf('version 1', 'GGUF-002', { version: 1 }),
    gguf('version from the future', 'GGUF-002', { version: 4 }),
    { name: 'big-endian', rule: 'GGUF-003', bytes: bigEndian },
    { name: 'magic alone', rule: 'GGUF-004', bytes: valid.subarray(0, 4) },
    { name: 'cut inside the counts', rule: 'GGUF-004', bytes: valid.subarray(0, 13) },
    {
      name: 'cut inside a value',
      rule: 'GGUF-004',
      bytes: buildGguf({ bare: true, extraEntries: [['a.somewhat.longer.key', { type: 'u64', value: 1 }]] }).subarray(
        0,
        -4,
      ),
    },
    {
      name: 'cut inside a string',
      rule: 'GGUF-015',
      bytes: buildGguf({ bare: true, extraEntries: [['a.key', 'some long text']] }).subarray(0, -4),
    },
    gguf('2^63 metadata entries', 'GGUF-005', { metadataCount: HUGE }),
    gguf('metadata entries -1', 'GGUF-005', { metadataCount: -1n }),
    gguf('more metadata entries than bytes', 'GGUF-005', { metadataCount: 5000n }),
    gguf('2^63 tensors', 'GGUF-006', { tensorCount: HUGE }),
    gguf('tensor count -1', 'GGUF-006', { tensorCount: -1n }),
    gguf('more tensors than bytes', 'GGUF-006', { tensorCount: 900n }),
    gguf('empty key', 'GGUF-010', { extraEntries: [['', 'x']] }),
    gguf('key of 1025 bytes', 'GGUF-010', { extraEntries: [['k'.repeat(1025), 'x']] }),
    {
      name: 'key of 2^63 bytes',
      rule: 'GGUF-015',
      bytes: Buffer.concat([buildGguf({ bare: true, metadataCount: 1n }), key(HUGE), Buffer.alloc(32)]),
    },
    gguf('key with a line break', 'GGUF-011', { extraEntries: [['a\nb', 'x']] }),
    gguf('key that is not ASCII', 'GGUF-011', { extraEntries: [['généré', 'x']] }),
    gguf('duplicate key', 'GGUF-012', { extraEntries: [['general.name', 'again']] }),
    entry('value type 13', 'GGUF-013', { typeId: 13, bytes: Buffer.alloc(8) }),
    entry('value type 2^32-1', 'GGUF-013', { typeId: 0xffffffff, bytes: Buffer.alloc(8) }),
    entry('array of unknown type', 'GGUF-013', {
      typeId: 9,
      bytes: Buffer.concat([Buffer.of(99, 0, 0, 0), Buffer.alloc(8)]),
    }),
    entry('array of arrays', 'GGUF-014', { typeId: 9, bytes: Buffer.concat([Buffer.of(9, 0, 0, 0), Buffer.alloc(8)]) }),
    entry('string of 2^63 bytes', 'GGUF-015', { typeId: 8, bytes: key(HUGE) }),
    entry('string of 2^64-1 bytes', 'GGUF-015', { typeId: 8, bytes: key(2n ** 64n - 1n) }),
    entry('string past the end', 'GGUF-015', { typeId: 8, bytes: Buffer.concat([key(12n), Buffer.from('short')]) }),
    entry('array of 2^63 numbers', 'GGUF-016', { typeId: 9, bytes: Buffer.concat([Buffer.of(0, 0, 0, 0), key(HUGE)]) }),
    entry('array whose byte size wraps', 'GGUF-016', {
      typeId: 9,
      bytes: Buffer.concat([Buffer.of(12, 0, 0, 0), key(2n ** 61n + 1n)]),
    }),
    entry('array of 2^62 strings', 'GGUF-016', {
      typeId: 9,
      bytes: Buffer.concat([Buffer.of(8, 0, 0, 0), key(2n ** 62n)]),
    }),
    gguf('string in an array past the end', 'GGUF-015', {
      extraEntries: [['x', { raw: { typeId: 9, bytes: Buffer.concat([Buffer.of(8, 0, 0, 0), key(1n), key(HUGE)]) } }]],
      tensors: [],
    }),
    entry('bool of 2', 'GGUF-017', { typeId: 7, bytes: Buffer.of(2) }),
    gguf('string that is not UTF-8', 'GGUF-018', {
      metadata: { 'general.name': { type: 'string', value: Buffer.of(0xff, 0xfe) } },
    }),
    gguf('architecture as a number', 'GGUF-019', { metadata: { 'general.architecture': { type: 'u32', value: 1 } } }),
    gguf('block count as u64', 'GGUF-019', { metadata: { 'llama.block_count': { type: 'u64', value: 1n } } }),
    gguf('tokens as bytes', 'GGUF-019', {
      metadata: { 'tokenizer.ggml.tokens': { type: 'array', element: 'u8', values: [1, 2, 3, 4, 5] } },
    }),
    gguf('scores as bytes', 'GGUF-019', {
      metadata: { 'tokenizer.ggml.scores': { type: 'array', element: 'u8', values: [1, 2, 3, 4, 5] } },
    }),
    gguf('token types as bytes', 'GGUF-019', {
      metadata: { 'tokenizer.ggml.token_type': { type: 'array', element: 'u8', values: [1, 2, 3, 4, 5] } },
    }),
    gguf('token id as a string', 'GGUF-019', { metadata: { 'tokenizer.ggml.bos_token_id': 'one' } }),
    gguf('513 blocks', 'GGUF-020', { metadata: { 'llama.block_count': { type: 'u32', value: 513 } } }),
    gguf('context length 0', 'GGUF-020', { metadata: { 'llama.context_length': { type: 'u32', value: 0 } } }),
    gguf('epsilon NaN', 'GGUF-020', {
      metadata: { 'llama.attention.layer_norm_rms_epsilon': { type: 'f32', value: Number.NaN } },
    }),
    gguf('alignment as i32', 'GGUF-019', { metadata: { 'general.alignment': { type: 'i32', value: 32 } } }),
    gguf('alignment 0', 'GGUF-021', { metadata: { 'general.alignment': { type: 'u32', value: 0 } } }),
    gguf('alignment 13', 'GGUF-021', { metadata: { 'general.alignment': { type: 'u32', value: 13 } } }),
    gguf('alignment 2^31', 'GGUF-021', { metadata: { 'general.alignment': { type: 'u32', value: 2 ** 31 } } }),
    tensor('empty tensor name', 'GGUF-030', { name: '' }),
    tensor('tensor name of 64 bytes', 'GGUF-030', { name: 'n'.repeat(64) }),
    tensor('tensor name with NUL', 'GGUF-031', { name: 'a\0b' }),
    tensor('tensor name not UTF-8', 'GGUF-031', { name: Buffer.of(0xc3, 0x28) }),
    two('duplicate tensor name', 'GGUF-032', {}, { name: 'a' }),
    tensor('no dimensions', 'GGUF-033', { dims: 0 }),
    tensor('5 dimensions', 'GGUF-033', { shape: [32, 1, 1, 1, 1] }),
    tensor('2^31 dimensions', 'GGUF-033', { dims: 2 ** 31 }),
    tensor('dimension 0', 'GGUF-034', { shape: [32, 0] }),
    tensor('dimension -1', 'GGUF-034', { shape: [-1] }),
    tensor('elements that wrap 2^64 to few', 'GGUF-035', { shape: [2n ** 33n, 2n ** 31n, 1, 1] }),
    tensor('2^63 - 1 elements', 'GGUF-035', { shape: [HUGE - 1n] }),
    tensor('type 999', 'GGUF-036', { type: 999 }),
    tensor('type -1', 'GGUF-036', { type: -1 }),
    tensor('removed type Q4_2', 'GGUF-036', { type: 4 }),
    tensor('removed type Q4_0_4_4', 'GGUF-036', { type: 31 }),
    tensor('row of half a block', 'GGUF-037', { type: 8, shape: [16] }),
    tensor('K-quant row of 128', 'GGUF-037', { type: 12, shape: [128] }),
    tensor('exabytes of weights', 'GGUF-043', { shape: [2n ** 40n, 2n ** 20n] }),
    tensor('misaligned offset', 'GGUF-040', { offset: 4n }),
    tensor('first offset not 0', 'GGUF-041', { offset: 32n }),
    two('hole between tensors', 'GGUF-041', {}, { offset: 256n }),
    two('overlapping tensors', 'GGUF-042', {}, { offset: 64n }),
    two('two tensors in one place', 'GGUF-042', {}, { offset: 0n }),
    tensor('offset 2^63', 'GGUF-041', { offset: HUGE }),
    gguf('layout made for another alignment', 'GGUF-040', {
      alignment: 32,
      metadata: { 'general.alignment': { type: 'u32', value: 1024 } },
      tensors: [
        { name: 'a', shape: [8] },
        { name: 'b', shape: [8] },
      ],
    }),
    { name: 'cut inside the data', rule: 'GGUF-043', bytes: valid.subarray(0, valid.length - 64) },
    tensor('data missing', 'GGUF-043', { data: Buffer.alloc(0), shape: [1024] }),
    gguf('one byte too many', 'GGUF-044', { trailing: Buffer.of(0) }),
    gguf('ELF appended', 'GGUF-044', { trailing: Buffer.concat([ELF, Buffer.alloc(100)]) }),
    gguf('pickle appended', 'GGUF-044', { trailing: Buffer.from('80049503000000000000008c0161942e', 'hex') }),
    gguf('ZIP appended', 'FMT-003', { trailing: ZIP }),
    gguf('padding that says something', 'GGUF-045', {
      paddingByte: 0x41,
      tensors: [
        { name: 'a', shape: [9] },
        { name: 'b', shape: [9] },
      ],
    }),
    gguf('fewer scores than tokens', 'GGUF-050', {
      metadata: { 'tokenizer.ggml.scores': { type: 'array', element: 'f32', values: [0, 0] } },
    }),
    gguf('fewer token types than tokens', 'GGUF-050', {
      metadata: { 'tokenizer.ggml.token_type': { type: 'array', element: 'i32', values: [1] } },
    }),
    gguf('token of 9000 bytes', 'GGUF-051', {
      metadata: { 'tokenizer.ggml.tokens': ['<unk>', '<s>', '</s>', '<0x0A>', 'x'.repeat(9000)] },
    }),
    gguf('byte token with a sign', 'GGUF-052', {
      metadata: { 'tokenizer.ggml.tokens': ['<unk>', '<s>', '</s>', '<0x-1>', 'x'] },
    }),
    gguf('byte token that is no byte', 'GGUF-052', {
      metadata: { 'tokenizer.ggml.tokens': ['<unk>', '<s>', '</s>', 'word', 'x'] },
    }),
    gguf('no architecture', 'GGUF-060', { metadata: { 'general.architecture': undefined } }),
    gguf('no tensors', 'GGUF-061', { tensors: [] }),
    gguf('no block count', 'GGUF-062', { metadata: { 'llama.block_count': undefined } }),
    gguf('part of a split model', 'GGUF-063', { metadata: { 'split.count': { type: 'u16', value: 3 } } }),
    gguf('an adapter', 'GGUF-064', { metadata: { 'general.type': 'adapter' } }),
    gguf('no tokenizer', 'GGUF-065', { metadata: { 'tokenizer.ggml.model': undefined } }),
    tensor('ELF as weights', 'EXE-001', {
      type: 24,
      shape: [128],
      data: Buffer.concat([ELF, Buffer.alloc(128 - ELF.length)]),
    }),
    tensor('NaN weights', 'WGT-001', { data: Buffer.from(new Float32Array(32).fill(Number.NaN).buffer) }),
    tensor('infinite weights', 'WGT-002', { data: Buffer.from(new Float32Array(32).fill(Infinity).buffer) }),
    gguf('hidden tag text in the template', 'TXT-001', {
      metadata: { 'tokenizer.chat_template': 'Hi \u{E0041}\u{E0042}' },
    }),
    gguf('bidi override in the name', 'TXT-002', { metadata: { 'general.name': 'safe\u202Efugg' } }),
    gguf('script in the description', 'EXE-001', { metadata: { 'general.description': '#!/bin/sh\nid' } }),
    gguf('hostile template', 'TPL-001', { metadata: { 'tokenizer.chat_template': "{{ ''.__class__ }}" } }),
    gguf('hostile named template', 'TPL-001', {
      metadata: { 'tokenizer.chat_template.tool_use': "{{ x|attr('__cla' ~ 'ss__') }}" },
    }),
  ];
}

/** Malformed safetensors files: the error classes of the reference reader, and this project's own rules. */
export function malformedSafetensors(): MalformedFile[] {
  const file = (name: string, rule: RuleId, spec: SafetensorsSpec): MalformedFile => ({
    name,
    rule,
    bytes: buildSafetensors(spec),
  });
  const one = (name: string, rule: RuleId, weight: Record<string, unknown>, data = 8): MalformedFile =>
    file(name, rule, {
      tensors: { weight: { dtype: 'F32', shape: [2], data_offsets: [0, 8], ...weight } },
      data: Buffer.alloc(data),
    });
  const pair = (first: number[], second: number[]): Record<string, unknown> => ({
    a: { dtype: 'U8', shape: [first[1]! - first[0]!], data_offsets: first },
    b: { dtype: 'U8', shape: [second[1]! - second[0]!], data_offsets: second },
  });
  const weight = '"weight":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}';
  return [
    { name: 'nine bytes', rule: 'ST-001', bytes: Buffer.from('\x01\0\0\0\0\0\0\0{', 'latin1') },
    file('header of 2^63 bytes', 'ST-002', { headerLength: HUGE }),
    file('header of 100,000,001 bytes', 'ST-002', { headerLength: 100_000_001n }),
    file('header past the end', 'ST-003', { headerLength: 5000n }),
    file('header is a list', 'FMT-001', { header: '[1,2]' }),
    file('header is cut JSON', 'ST-005', { header: '{"weight":' }),
    file('header with bytes after it', 'ST-005', { header: `{${weight}}x` }),
    file('header not UTF-8', 'ST-005', { header: Buffer.from('7b22ff223a317d', 'hex') }),
    file('header nested deeply', 'ST-005', { header: `{"a":${'['.repeat(500)}${']'.repeat(500)}}` }),
    file('duplicate tensor', 'ST-006', { header: `{${weight},${weight}}` }),
    file('duplicate tensor, escaped', 'ST-006', { header: `{${weight},${weight.replace('weight', 'w\\u0065ight')}}` }),
    file('duplicate dtype', 'ST-006', {
      header: '{"w":{"dtype":"F32","dtype":"F32","shape":[2],"data_offsets":[0,8]}}',
    }),
    file('metadata with a number', 'ST-007', { metadata: { format: 1 } }),
    file('metadata is a list', 'ST-007', { metadata: ['pt'] }),
    one('unknown field', 'ST-008', { extra: 1 }),
    one('no shape', 'ST-008', { shape: undefined }),
    file('tensor is null', 'ST-008', { tensors: { weight: null } }),
    one('unknown dtype', 'ST-009', { dtype: 'PICKLE' }),
    one('dtype a number', 'ST-009', { dtype: 7 }),
    one('negative dimension', 'ST-010', { shape: [-2] }),
    one('half a dimension', 'ST-010', { shape: [2.5] }),
    file('dimension above 2^53', 'ST-010', {
      header: '{"weight":{"dtype":"F32","shape":[9223372036854775808,2],"data_offsets":[0,8]}}',
    }),
    one('elements that overflow', 'ST-010', { shape: [2 ** 30, 2 ** 30, 2 ** 30] }),
    one('33 dimensions', 'ST-010', { shape: Array(33).fill(1) }),
    one('offsets backwards', 'ST-011', { data_offsets: [8, 0] }),
    one('three offsets', 'ST-011', { data_offsets: [0, 4, 8] }),
    one('offset as text', 'ST-011', { data_offsets: ['0', '8'] }),
    file('overlap', 'ST-012', { tensors: pair([0, 6], [4, 8]) }),
    file('same bytes twice', 'ST-012', { tensors: pair([0, 8], [0, 8]) }),
    file('hole at the start', 'ST-013', { tensors: pair([2, 4], [4, 8]) }),
    file('hole in the middle', 'ST-013', { tensors: pair([0, 3], [5, 8]) }),
    one('size and shape differ', 'ST-014', { shape: [3] }),
    one('trailing bytes', 'ST-015', {}, 9),
    { name: 'ZIP appended', rule: 'FMT-003', bytes: Buffer.concat([buildSafetensors(), ZIP]) },
    one('data cut', 'ST-016', {}, 7),
    file('no tensors', 'ST-017', { tensors: {}, data: Buffer.alloc(0) }),
    file('metadata only', 'ST-017', { tensors: {}, metadata: { format: 'pt' }, data: Buffer.alloc(0) }),
    file('tensor without a name', 'ST-019', { tensors: { '': { dtype: 'U8', shape: [8], data_offsets: [0, 8] } } }),
    file('tensor name with a line break', 'ST-019', {
      tensors: { 'a\nb': { dtype: 'U8', shape: [8], data_offsets: [0, 8] } },
    }),
    file('NaN weights', 'WGT-001', { data: Buffer.from(new Float32Array(2).fill(Number.NaN).buffer) }),
  ];
}
