import { invalid } from './errors.ts';

/** The part of JSON Schema that becomes a grammar. Ranges of numbers, patterns and formats are not enforced by it. */
export type GrammarSchema = Readonly<Record<string, unknown>>;

type Json = Readonly<Record<string, unknown>>;

const COUNTS = ['minItems', 'maxItems', 'minLength', 'maxLength', 'minProperties', 'maxProperties'];
const WITHOUT_EFFECT = new Set(
  (
    'title default examples $schema $id $comment deprecated readOnly writeOnly minimum maximum exclusiveMinimum ' +
    'exclusiveMaximum multipleOf pattern uniqueItems strict'
  ).split(' '),
);
const FORMATS = ['date-time', 'time', 'date'];
const TYPES = ['object', 'array', 'string', 'number', 'integer', 'boolean', 'null'];
/** Repetitions are written out in the grammar: a larger count is a way to make one that takes minutes to build. */
const MAX_COUNT = 1000;
const MAX_NODES = 2000;

/**
 * Checks a JSON Schema given by a client and returns the part that an engine's grammar understands.
 * Throws RequestError naming the place for anything that would be dropped in a way that changes what is accepted.
 */
export function grammarSchema(schema: unknown, where: string): GrammarSchema {
  let nodes = 0;

  function object(value: unknown, at: string): Json {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw invalid(at, `${at} must be an object.`, 'invalid_schema');
    }
    return value as Json;
  }

  function list(value: unknown, at: string): GrammarSchema[] {
    if (!Array.isArray(value) || value.length === 0) {
      throw invalid(at, `${at} must be a non-empty array.`, 'invalid_schema');
    }
    return value.map((entry, index) => visit(entry, `${at}[${index}]`));
  }

  function map(value: unknown, at: string): Record<string, GrammarSchema> {
    const entries = Object.entries(object(value, at));
    return Object.fromEntries(entries.map(([key, entry]) => [key, visit(entry, `${at}.${key}`)]));
  }

  function visit(value: unknown, at: string): GrammarSchema {
    nodes += 1;
    if (nodes > MAX_NODES) throw invalid(where, `${where} has more than ${MAX_NODES} parts.`, 'invalid_schema');
    const result: Record<string, unknown> = {};
    for (const [key, entry] of Object.entries(object(value, at))) {
      const place = `${at}.${key}`;
      if (key === 'properties' || key === '$defs') result[key] = map(entry, place);
      else if (key === 'oneOf' || key === 'anyOf') result['oneOf'] = list(entry, place);
      else if (key === 'prefixItems') result[key] = list(entry, place);
      else if (key === 'items') result[key] = visit(entry, place);
      else if (key === 'additionalProperties') {
        result[key] = typeof entry === 'boolean' ? entry : visit(entry, place);
      } else if (key === 'type') result[key] = types(entry, place);
      else if (key === 'enum' || key === 'required') result[key] = scalars(entry, place);
      else if (key === 'const') result[key] = scalars([entry], place)[0];
      else if (key === 'description' || key === '$ref') result[key] = text(entry, place);
      else if (key === 'format') {
        if (FORMATS.includes(entry as string)) result[key] = entry;
      } else if (COUNTS.includes(key)) result[key] = count(entry, place);
      else if (!WITHOUT_EFFECT.has(key)) {
        throw invalid(place, `${place}: this keyword cannot be enforced; remove it.`, 'unsupported_schema');
      }
    }
    return result;
  }

  return visit(schema, where);
}

function types(value: unknown, at: string): unknown {
  const all = Array.isArray(value) ? value : [value];
  if (all.length > 0 && all.every((type) => TYPES.includes(type as string))) return value;
  throw invalid(at, `${at} must be one of ${TYPES.join(', ')}.`, 'invalid_schema');
}

function scalars(value: unknown, at: string): readonly unknown[] {
  const scalar = (entry: unknown) => entry === null || ['string', 'number', 'boolean'].includes(typeof entry);
  if (Array.isArray(value) && value.every(scalar)) return value;
  throw invalid(at, `${at} must hold texts, numbers, true, false or null.`, 'invalid_schema');
}

function text(value: unknown, at: string): string {
  if (typeof value === 'string') return value;
  throw invalid(at, `${at} must be a text.`, 'invalid_schema');
}

function count(value: unknown, at: string): number {
  if (Number.isInteger(value) && (value as number) >= 0 && (value as number) <= MAX_COUNT) return value as number;
  throw invalid(at, `${at} must be a whole number from 0 to ${MAX_COUNT}.`, 'invalid_schema');
}
