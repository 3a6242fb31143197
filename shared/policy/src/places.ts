import type { DetailedError } from './cedar.ts';

/** Line and column (1-based) of what an error points at. Cedar counts UTF-8 bytes. */
export function placeOf(text: string, error: DetailedError): { line?: number; column?: number } {
  const start = error.sourceLocations?.[0]?.start;
  return start === undefined ? {} : placeAt(text, Buffer.from(text).subarray(0, start).toString().length);
}

/** Line and column (1-based) of a character. */
export function placeAt(text: string, index: number): { line: number; column: number } {
  const before = text.slice(0, index).split('\n');
  return { line: before.length, column: before.at(-1)!.length + 1 };
}
