import { invalid, RequestError } from './errors.ts';

type Json = Readonly<Record<string, unknown>>;

/**
 * Reads an object field by field and remembers which were read, so that what nobody read can be refused: no number,
 * text or option reaches an engine that is not listed and checked here (CVE-2026-21869: a negative `n_discard`
 * written into a server's request became an out-of-bounds write).
 * Null counts as absent, as OpenAI's clients send it.
 */
export class Fields {
  readonly #object: Json;
  readonly #where: string;
  readonly #read = new Set<string>();

  constructor(value: unknown, where = '') {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw where === ''
        ? new RequestError(400, 'invalid_body', 'The body must be a JSON object.')
        : invalid(where, `${where} must be an object.`, 'invalid_type');
    }
    this.#object = value as Json;
    this.#where = where;
  }

  /** The field's name as OpenAI's errors give it: `messages[0].content`. */
  name(key: string): string {
    return this.#where === '' ? key : `${this.#where}.${key}`;
  }

  raw(key: string): unknown {
    this.#read.add(key);
    return Object.hasOwn(this.#object, key) ? (this.#object[key] ?? undefined) : undefined;
  }

  /** A finite number between `min` and `max`, both allowed. */
  number(key: string, min: number, max: number): number | undefined {
    const value = this.raw(key);
    if (value === undefined) return undefined;
    if (typeof value !== 'number' || !Number.isFinite(value) || value < min || value > max) {
      throw invalid(this.name(key), `${this.name(key)} must be a number from ${min} to ${max}, not ${shown(value)}.`);
    }
    return value;
  }

  integer(key: string, min: number, max: number): number | undefined {
    const value = this.raw(key);
    if (value === undefined) return undefined;
    if (!Number.isSafeInteger(value) || (value as number) < min || (value as number) > max) {
      const range = `a whole number from ${min} to ${max}`;
      throw invalid(this.name(key), `${this.name(key)} must be ${range}, not ${shown(value)}.`);
    }
    return value as number;
  }

  boolean(key: string): boolean | undefined {
    const value = this.raw(key);
    if (value === undefined || typeof value === 'boolean') return value;
    throw invalid(this.name(key), `${this.name(key)} must be true or false, not ${shown(value)}.`, 'invalid_type');
  }

  text(key: string, maxLength = 8 << 20): string | undefined {
    const value = this.raw(key);
    if (value === undefined) return undefined;
    if (typeof value !== 'string') {
      throw invalid(this.name(key), `${this.name(key)} must be a text, not ${shown(value)}.`, 'invalid_type');
    }
    if (value.length > maxLength) {
      throw invalid(this.name(key), `${this.name(key)} must not be longer than ${maxLength} characters.`);
    }
    return value;
  }

  requiredText(key: string, maxLength?: number): string {
    const value = this.text(key, maxLength);
    if (value === undefined) throw invalid(this.name(key), `${this.name(key)} is missing.`, 'missing_field');
    return value;
  }

  oneOf<T extends string>(key: string, allowed: readonly T[]): T | undefined {
    const value = this.raw(key);
    if (value === undefined) return undefined;
    if (allowed.includes(value as T)) return value as T;
    throw invalid(this.name(key), `${this.name(key)} must be one of ${allowed.join(', ')}, not ${shown(value)}.`);
  }

  array(key: string, maxLength: number): readonly unknown[] | undefined {
    const value = this.raw(key);
    if (value === undefined) return undefined;
    if (!Array.isArray(value)) throw invalid(this.name(key), `${this.name(key)} must be an array.`, 'invalid_type');
    if (value.length > maxLength) {
      throw invalid(this.name(key), `${this.name(key)} must not have more than ${maxLength} entries.`);
    }
    return value;
  }

  object(key: string): Fields | undefined {
    const value = this.raw(key);
    return value === undefined ? undefined : new Fields(value, this.name(key));
  }

  /** Fields that say nothing to an engine on one's own machine: taken and dropped. */
  ignore(...keys: string[]): void {
    for (const key of keys) this.#read.add(key);
  }

  /** A field that exists in the protocol and not here: refused unless it asks for nothing. */
  unsupported(key: string, nothing: readonly unknown[], why: string): void {
    const value = this.raw(key);
    if (value === undefined || nothing.some((none) => JSON.stringify(none) === JSON.stringify(value))) return;
    throw invalid(this.name(key), `${this.name(key)} is not supported: ${why}.`, 'unsupported_parameter');
  }

  /** Refuses every field that was not read. Call last. */
  done(): void {
    for (const key of Object.keys(this.#object)) {
      if (this.#read.has(key)) continue;
      const name = this.name(key);
      throw invalid(name, `${name} is not a known parameter; remove it.`, 'unknown_parameter');
    }
  }
}

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}
