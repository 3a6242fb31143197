import { type FindingList, shown } from '../findings.ts';

const STRICT_BYTE_TOKEN = /^<0x[0-9A-Fa-f]{2}>$/;
const BYTE_TOKEN_LIKE = /^<0x[^>]*>$/;
const BYTE_TYPE = 6;
const MAX_TOKEN_BYTES = 8192;
/** Vocabularies whose byte tokens the engine turns into an index by parsing the text. */
const PARSES_BYTE_TOKENS = new Set(['llama', 't5', 'plamo2']);

/**
 * Checks the vocabulary entry by entry without keeping it: counts, and one bit per token for those that read `<0xHH>`
 * and those of the byte type, whichever array comes first.
 */
export class Vocabulary {
  readonly #findings: FindingList;
  #tokens: number | null = null;
  #scores: number | null = null;
  #types: number | null = null;
  #wellFormedBytes = new BitSet();
  #byteTyped = new BitSet();
  #invalidUtf8 = 0;

  constructor(findings: FindingList) {
    this.#findings = findings;
  }

  get size(): number | null {
    return this.#tokens;
  }

  setLength(array: 'tokens' | 'scores' | 'token_type', length: number): void {
    if (array === 'tokens') {
      this.#tokens = length;
      this.#wellFormedBytes = new BitSet(length);
    } else if (array === 'scores') {
      this.#scores = length;
    } else {
      this.#types = length;
      this.#byteTyped = new BitSet(length);
    }
  }

  token(index: number, bytes: Buffer, utf8: boolean): void {
    if (!utf8) this.#invalidUtf8++;
    if (bytes.length > MAX_TOKEN_BYTES) {
      this.#findings.add(
        'GGUF-051',
        `token ${index}`,
        `token ${index} has ${bytes.length} bytes; the longest allowed has ${MAX_TOKEN_BYTES}`,
      );
    }
    // "<0x" first, so that only candidates are decoded.
    if (bytes.length < 3 || bytes[0] !== 0x3c || bytes[1] !== 0x30 || bytes[2] !== 0x78) return;
    const text = bytes.toString('latin1', 0, Math.min(bytes.length, 32));
    if (STRICT_BYTE_TOKEN.test(text)) this.#wellFormedBytes.set(index);
    else if (BYTE_TOKEN_LIKE.test(text) && text.includes('-')) {
      this.#findings.add(
        'GGUF-052',
        `token ${index}`,
        `token ${index} reads ${shown(text)}: a signed byte token makes the engine write before its table`,
      );
    }
  }

  tokenType(index: number, type: number): void {
    if (type === BYTE_TYPE) this.#byteTyped.set(index);
  }

  /** The checks that need all arrays. `model` is `tokenizer.ggml.model`, `ids` the `*_token_id` entries. */
  finish(model: string | null, ids: ReadonlyMap<string, number>): void {
    const tokens = this.#tokens;
    for (const [name, length] of [
      ['scores', this.#scores],
      ['token_type', this.#types],
    ] as const) {
      if (length !== null && length !== (tokens ?? 0)) {
        this.#findings.add(
          'GGUF-050',
          `tokenizer.ggml.${name}`,
          `tokenizer.ggml.${name} has ${length} entries for ${tokens ?? 0} tokens`,
        );
      }
    }
    if (this.#invalidUtf8 > 0) {
      this.#findings.add('GGUF-054', 'tokenizer.ggml.tokens', `${this.#invalidUtf8} tokens are not valid UTF-8`);
    }
    if (model !== null && PARSES_BYTE_TOKENS.has(model)) {
      const bad = this.#byteTyped.firstNotIn(this.#wellFormedBytes);
      if (bad !== null) {
        this.#findings.add(
          'GGUF-052',
          `token ${bad}`,
          `token ${bad} is marked as a byte but does not read <0x00> to <0xFF>`,
        );
      }
    }
    for (const [key, id] of ids) {
      if (tokens !== null && id >= tokens) {
        this.#findings.add(
          'GGUF-053',
          key,
          `${key} is ${id}, but the vocabulary has ${tokens} tokens; the engine ignores it`,
        );
      }
    }
  }
}

class BitSet {
  readonly #words: Uint32Array;
  readonly #length: number;

  constructor(length = 0) {
    this.#length = length;
    this.#words = new Uint32Array(Math.ceil(length / 32));
  }

  set(index: number): void {
    this.#words[index >>> 5]! |= 1 << (index & 31);
  }

  has(index: number): boolean {
    return index < this.#length && (this.#words[index >>> 5]! & (1 << (index & 31))) !== 0;
  }

  firstNotIn(other: BitSet): number | null {
    for (let index = 0; index < this.#length; index++) if (this.has(index) && !other.has(index)) return index;
    return null;
  }
}
