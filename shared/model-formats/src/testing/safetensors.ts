export interface SafetensorsSpec {
  metadata?: unknown;
  /** Header entries; default one F32 tensor of two values. */
  tensors?: Record<string, unknown>;
  /** The header text itself, in place of both. */
  header?: string | Uint8Array;
  /** The length that is written; default the header's own. */
  headerLength?: bigint;
  data?: Uint8Array;
}

/** Writes a safetensors file. Without a spec it is a valid tiny one; every override can make it a malformed one. */
export function buildSafetensors(spec: SafetensorsSpec = {}): Buffer {
  const entries = {
    ...(spec.metadata === undefined ? {} : { __metadata__: spec.metadata }),
    ...(spec.tensors ?? { weight: { dtype: 'F32', shape: [2], data_offsets: [0, 8] } }),
  };
  const header = Buffer.from((spec.header as string | undefined) ?? JSON.stringify(entries));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(spec.headerLength ?? BigInt(header.length));
  return Buffer.concat([length, header, spec.data ?? Buffer.alloc(8)]);
}
