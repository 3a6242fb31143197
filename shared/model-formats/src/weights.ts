import { type FindingList, shown } from './findings.ts';
import type { GgmlType } from './ggml-types.ts';

/** Tensors up to this size are checked completely, larger ones at the windows. */
const WHOLE_BYTES = 64 * 1024;
/** Of larger tensors the first WINDOW bytes of every STRIDE are checked: 1/64 of the bytes. */
const STRIDE = 256 * 1024;
const WINDOW = 4 * 1024;
const EXTREME = 1e6;
/** Below this a constant tensor is a norm, a bias or a mask, which is ordinary. */
const CONSTANT_MATTERS_FROM = 16 * 1024;

type Layout = GgmlType['layout'];

/** How the sampler reads one tensor. */
export interface SampledTensor {
  name: string;
  rank: number;
  size: number;
  /** Bytes per block, 1 or more. */
  blockBytes: number;
  layout: Layout;
}

/** What the samples of one tensor show. Scales stand for the values of quantised types. */
export interface WeightStatistics {
  sampled_bytes: number;
  values: number;
  nan: number;
  infinite: number;
  min: number;
  max: number;
  mean: number;
  standard_deviation: number;
  /** Shannon entropy of the sampled bytes, 0 to 8. */
  byte_entropy: number;
}

/**
 * Looks at samples of one tensor's bytes as they stream past: numbers that are none, constants, extremes, entropy.
 * The cost is bounded by the sampling above, whatever the tensor's size.
 */
export class WeightSampler {
  readonly #tensor: SampledTensor;
  readonly #histogram = new Uint32Array(256);
  #bytes = 0;
  #values = 0;
  #nan = 0;
  #infinite = 0;
  #min = Infinity;
  #max = -Infinity;
  #mean = 0;
  #m2 = 0;
  #firstBlock: Buffer | null = null;
  /** The block that the last piece ended in. */
  readonly #cut: Buffer;
  #constant = true;

  constructor(tensor: SampledTensor) {
    this.#tensor = tensor;
    this.#cut = Buffer.alloc(tensor.blockBytes);
  }

  /** A piece of the tensor that starts `at` bytes into it. */
  update(piece: Buffer, at: number): void {
    const { size, blockBytes } = this.#tensor;
    if (size <= WHOLE_BYTES) {
      this.#sample(piece, at, 0, piece.length);
      return;
    }
    const window = Math.ceil(WINDOW / blockBytes) * blockBytes;
    for (let start = Math.floor(at / STRIDE) * STRIDE; start < at + piece.length; start += STRIDE) {
      const first = Math.ceil(start / blockBytes) * blockBytes;
      const from = Math.max(first, at);
      const to = Math.min(first + window, at + piece.length);
      if (from < to) this.#sample(piece, at, from - at, to - at);
    }
  }

  statistics(): WeightStatistics {
    let entropy = 0;
    for (const count of this.#histogram) {
      if (count > 0) entropy -= (count / this.#bytes) * Math.log2(count / this.#bytes);
    }
    return {
      sampled_bytes: this.#bytes,
      values: this.#values,
      nan: this.#nan,
      infinite: this.#infinite,
      min: this.#min,
      max: this.#max,
      mean: this.#mean,
      standard_deviation: Math.sqrt(this.#m2 / Math.max(1, this.#finite())),
      byte_entropy: entropy,
    };
  }

  /** Reports WGT-001 to WGT-004. `infinityAllowed`: masks of some safetensors models hold infinities by design. */
  report(findings: FindingList, infinityAllowed: boolean): void {
    const { name, rank, size } = this.#tensor;
    const where = shown(name);
    if (this.#nan > 0)
      findings.add('WGT-001', name, `tensor ${where}: ${this.#nan} of ${this.#values} sampled numbers are NaN`);
    if (this.#infinite > 0) {
      const severity = infinityAllowed ? 'low' : undefined;
      findings.add(
        'WGT-002',
        name,
        `tensor ${where}: ${this.#infinite} of ${this.#values} sampled numbers are infinite`,
        severity,
      );
    }
    if (this.#constant && this.#firstBlock && rank >= 2 && size >= CONSTANT_MATTERS_FROM) {
      findings.add('WGT-003', name, `tensor ${where} holds the same block again and again; it carries no information`);
    }
    const largest = Math.max(Math.abs(this.#min), Math.abs(this.#max));
    if (Number.isFinite(largest) && largest > EXTREME && !infinityAllowed) {
      findings.add('WGT-004', name, `tensor ${where} has numbers up to ${largest.toExponential(1)}`);
    }
  }

  /** Whole blocks of `piece` from `from` to `to`; one cut by the end of the piece is completed from the next. */
  #sample(piece: Buffer, at: number, from: number, to: number): void {
    const { blockBytes } = this.#tensor;
    const done = (at + from) % blockBytes;
    let block = from;
    if (done > 0) {
      block = Math.min(to, from + blockBytes - done);
      piece.copy(this.#cut, done, from, block);
      if (done + block - from === blockBytes) this.#block(this.#cut, 0);
    }
    for (; block + blockBytes <= to; block += blockBytes) this.#block(piece, block);
    piece.copy(this.#cut, 0, block, to);
  }

  #block(bytes: Buffer, at: number): void {
    const { blockBytes } = this.#tensor;
    if (this.#firstBlock === null) this.#firstBlock = Buffer.from(bytes.subarray(at, at + blockBytes));
    else if (this.#constant) this.#constant = bytes.compare(this.#firstBlock, 0, blockBytes, at, at + blockBytes) === 0;
    this.#readBlock(bytes, at);
    for (let i = at; i < at + blockBytes; i++) this.#histogram[bytes[i]!]!++;
    this.#bytes += blockBytes;
  }

  #readBlock(bytes: Buffer, at: number): void {
    const { layout } = this.#tensor;
    switch (layout.kind) {
      case 'f32':
        this.#number(bytes.readFloatLE(at));
        break;
      case 'f64':
        this.#number(bytes.readDoubleLE(at));
        break;
      case 'f16':
        this.#number(halfToNumber(bytes.readUInt16LE(at)));
        break;
      case 'bf16':
        this.#number(bfloatToNumber(bytes.readUInt16LE(at)));
        break;
      case 'int':
        break;
      case 'scaled':
        for (const offset of layout.offsets) this.#scale(layout.scale, bytes, at + offset);
    }
  }

  #scale(kind: string, bytes: Buffer, at: number): void {
    if (kind === 'f16') this.#number(halfToNumber(bytes.readUInt16LE(at)));
    else if (kind === 'f32') this.#number(bytes.readFloatLE(at));
    else if (kind === 'e8m0') this.#number(bytes[at] === 0xff ? Number.NaN : 2 ** (bytes[at]! - 127), false);
    else if (kind === 'e4m3') this.#number((bytes[at]! & 0x7f) === 0x7f ? Number.NaN : bytes[at]!, false);
  }

  /** `extremes` is off where the scale's own range says nothing about the weights. */
  #number(value: number, extremes = true): void {
    this.#values++;
    if (Number.isNaN(value)) {
      this.#nan++;
      return;
    }
    if (value === Infinity || value === -Infinity) {
      this.#infinite++;
      return;
    }
    if (extremes) {
      if (value < this.#min) this.#min = value;
      if (value > this.#max) this.#max = value;
    }
    const delta = value - this.#mean;
    this.#mean += delta / this.#finite();
    this.#m2 += delta * (value - this.#mean);
  }

  #finite(): number {
    return this.#values - this.#nan - this.#infinite;
  }
}

function halfToNumber(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >> 10) & 0x1f;
  const fraction = half & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? Number.NaN : sign * Infinity;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

const bits = new DataView(new ArrayBuffer(4));

function bfloatToNumber(value: number): number {
  bits.setUint32(0, value << 16);
  return bits.getFloat32(0);
}
