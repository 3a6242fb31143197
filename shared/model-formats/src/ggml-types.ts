/** How a tensor type lays out its values: `block` values take `bytes` bytes. */
export interface GgmlType {
  name: string;
  block: number;
  bytes: number;
  /** What the sampler can read: plain numbers, or the scales at these byte offsets inside a block. */
  layout: { kind: 'f32' | 'f64' | 'f16' | 'bf16' | 'int' } | { kind: 'scaled'; scale: ScaleKind; offsets: number[] };
}

/** f16: IEEE half; e8m0: a power of two, 0xFF is NaN; e4m3: unsigned 8-bit float, 0x7F is NaN; none: scales are packed. */
export type ScaleKind = 'f16' | 'f32' | 'e8m0' | 'e4m3' | 'none';

/**
 * Tensor types by id, from ggml.h and the block structs of ggml-common.h. Ids 4, 5, 31–33 and 36–38 were removed
 * from the format and are refused as the engine refuses them.
 */
export const GGML_TYPES: ReadonlyMap<number, GgmlType> = new Map([
  [0, plain('F32', 4, 'f32')],
  [1, plain('F16', 2, 'f16')],
  [2, scaled('Q4_0', 32, 18, 'f16', 0)],
  [3, scaled('Q4_1', 32, 20, 'f16', 0, 2)],
  [6, scaled('Q5_0', 32, 22, 'f16', 0)],
  [7, scaled('Q5_1', 32, 24, 'f16', 0, 2)],
  [8, scaled('Q8_0', 32, 34, 'f16', 0)],
  [9, scaled('Q8_1', 32, 36, 'f16', 0, 2)],
  [10, scaled('Q2_K', 256, 84, 'f16', 80, 82)],
  [11, scaled('Q3_K', 256, 110, 'f16', 108)],
  [12, scaled('Q4_K', 256, 144, 'f16', 0, 2)],
  [13, scaled('Q5_K', 256, 176, 'f16', 0, 2)],
  [14, scaled('Q6_K', 256, 210, 'f16', 208)],
  [15, scaled('Q8_K', 256, 292, 'f32', 0)],
  [16, scaled('IQ2_XXS', 256, 66, 'f16', 0)],
  [17, scaled('IQ2_XS', 256, 74, 'f16', 0)],
  [18, scaled('IQ3_XXS', 256, 98, 'f16', 0)],
  [19, scaled('IQ1_S', 256, 50, 'f16', 0)],
  [20, scaled('IQ4_NL', 32, 18, 'f16', 0)],
  [21, scaled('IQ3_S', 256, 110, 'f16', 0)],
  [22, scaled('IQ2_S', 256, 82, 'f16', 0)],
  [23, scaled('IQ4_XS', 256, 136, 'f16', 0)],
  [24, plain('I8', 1, 'int')],
  [25, plain('I16', 2, 'int')],
  [26, plain('I32', 4, 'int')],
  [27, plain('I64', 8, 'int')],
  [28, plain('F64', 8, 'f64')],
  [29, scaled('IQ1_M', 256, 56, 'none')],
  [30, plain('BF16', 2, 'bf16')],
  [34, scaled('TQ1_0', 256, 54, 'f16', 52)],
  [35, scaled('TQ2_0', 256, 66, 'f16', 64)],
  [39, scaled('MXFP4', 32, 17, 'e8m0', 0)],
  [40, scaled('NVFP4', 64, 36, 'e4m3', 0, 1, 2, 3)],
  [41, scaled('Q1_0', 128, 18, 'f16', 0)],
  [42, scaled('Q2_0', 64, 18, 'f16', 0)],
]);

/** Removed ids and what they were, for the message. */
export const REMOVED_GGML_TYPES: ReadonlyMap<number, string> = new Map([
  [4, 'Q4_2'],
  [5, 'Q4_3'],
  [31, 'Q4_0_4_4'],
  [32, 'Q4_0_4_8'],
  [33, 'Q4_0_8_8'],
  [36, 'IQ4_NL_4_4'],
  [37, 'IQ4_NL_4_8'],
  [38, 'IQ4_NL_8_8'],
]);

function plain(name: string, bytes: number, kind: 'f32' | 'f64' | 'f16' | 'bf16' | 'int'): GgmlType {
  return { name, block: 1, bytes, layout: { kind } };
}

function scaled(name: string, block: number, bytes: number, scale: ScaleKind, ...offsets: number[]): GgmlType {
  return { name, block, bytes, layout: { kind: 'scaled', scale, offsets } };
}
