/** Why a text was refused. */
export type StrictJsonErrorCode = 'syntax' | 'encoding' | 'duplicate_key' | 'too_deep';

export class StrictJsonError extends Error {
  override name = 'StrictJsonError';
  readonly code: StrictJsonErrorCode;
  constructor(code: StrictJsonErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}

export interface StrictJsonOptions {
  /** How many arrays and objects may be open at once; default 64. */
  maxDepth?: number;
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * Parses RFC 8259 JSON and refuses what parsers disagree about: duplicate keys (compared after unescaping), bytes
 * that are not UTF-8, a byte order mark, trailing bytes, and nesting deeper than `maxDepth`. Objects have the keys
 * of the text only (`__proto__` is an ordinary key). Throws StrictJsonError, whose message names the place.
 */
export function parseStrict(input: string | Uint8Array, options: StrictJsonOptions = {}): unknown {
  const text = typeof input === 'string' ? input : decode(input);
  checkStructure(text, options.maxDepth ?? 64);
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new StrictJsonError('syntax', `not valid JSON: ${(error as Error).message}`);
  }
}

function decode(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes);
  } catch {
    throw new StrictJsonError('encoding', 'not valid UTF-8');
  }
}

/** One pass over the text that knows just enough of the grammar to pair keys with their objects; JSON.parse judges the rest. */
function checkStructure(text: string, maxDepth: number): void {
  const open: (Set<string> | null)[] = [];
  let keyExpected = false;
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c === 0x22) {
      const end = stringEnd(text, i);
      const keys = open.at(-1);
      if (keys && keyExpected) {
        const key = unescapeKey(text.slice(i, end + 1), i);
        if (keys.has(key)) throw new StrictJsonError('duplicate_key', `duplicate key ${shown(key)} at character ${i}`);
        keys.add(key);
        keyExpected = false;
      }
      i = end;
    } else if (c === 0x7b || c === 0x5b) {
      if (open.length >= maxDepth)
        throw new StrictJsonError('too_deep', `nested deeper than ${maxDepth} at character ${i}`);
      open.push(c === 0x7b ? new Set() : null);
      keyExpected = c === 0x7b;
    } else if (c === 0x7d || c === 0x5d) {
      open.pop();
      keyExpected = false;
    } else if (c === 0x2c) {
      keyExpected = open.at(-1) instanceof Set;
    }
  }
}

function stringEnd(text: string, start: number): number {
  for (let i = start + 1; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c === 0x5c) i++;
    else if (c === 0x22) return i;
  }
  throw new StrictJsonError('syntax', `not valid JSON: unterminated string at character ${start}`);
}

function unescapeKey(literal: string, at: number): string {
  if (!literal.includes('\\')) return literal.slice(1, -1);
  try {
    return JSON.parse(literal) as string;
  } catch {
    throw new StrictJsonError('syntax', `not valid JSON: bad escape in the key at character ${at}`);
  }
}

function shown(key: string): string {
  return JSON.stringify(key.length > 60 ? `${key.slice(0, 60)}…` : key);
}
