/** The value types of a GGUF metadata entry by id, with the size of the fixed ones in bytes. */
export const VALUE_TYPES = [
  { name: 'u8', bytes: 1 },
  { name: 'i8', bytes: 1 },
  { name: 'u16', bytes: 2 },
  { name: 'i16', bytes: 2 },
  { name: 'u32', bytes: 4 },
  { name: 'i32', bytes: 4 },
  { name: 'f32', bytes: 4 },
  { name: 'bool', bytes: 1 },
  { name: 'string', bytes: 0 },
  { name: 'array', bytes: 0 },
  { name: 'u64', bytes: 8 },
  { name: 'i64', bytes: 8 },
  { name: 'f64', bytes: 8 },
] as const;

export type ValueType = (typeof VALUE_TYPES)[number]['name'];

/** A metadata value as far as it is kept: long strings keep their length only, arrays their element type and the first entries. */
export type MetadataValue =
  | { type: Exclude<ValueType, 'string' | 'array'>; value: number | bigint | boolean }
  | { type: 'string'; value: string | null; bytes: number }
  | { type: 'array'; element: ValueType; length: number; head: (number | bigint | boolean | string)[] };

/** Reads a fixed-size value; 64-bit ones as bigint, bool as its raw byte's truth. */
export function readFixed(type: ValueType, bytes: Buffer, at: number): number | bigint | boolean {
  switch (type) {
    case 'u8':
      return bytes.readUInt8(at);
    case 'i8':
      return bytes.readInt8(at);
    case 'u16':
      return bytes.readUInt16LE(at);
    case 'i16':
      return bytes.readInt16LE(at);
    case 'u32':
      return bytes.readUInt32LE(at);
    case 'i32':
      return bytes.readInt32LE(at);
    case 'f32':
      return bytes.readFloatLE(at);
    case 'u64':
      return bytes.readBigUInt64LE(at);
    case 'i64':
      return bytes.readBigInt64LE(at);
    case 'f64':
      return bytes.readDoubleLE(at);
    case 'bool':
      return bytes.readUInt8(at) !== 0;
    default:
      throw new TypeError(`${type} has no fixed size`);
  }
}
