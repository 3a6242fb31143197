/** Policy texts, read and checked: Cedar's own validation first, then what this project asks of every rule. */
import { type DetailedError, type PolicyJson, policySetTextToParts, policyToJson, validate } from './cedar.ts';
import { PolicyError, type PolicyProblem } from './error.ts';
import { placeAt, placeOf } from './places.ts';
import type { DomainSchema } from './schema.ts';

export interface PolicySource {
  /** Shown in messages, e.g. `tool_access.cedar`. */
  file: string;
  text: string;
}

export interface Rule {
  /** From `@id`; unique in its domain. */
  id: string;
  file: string;
  effect: 'permit' | 'forbid';
  /** From `@decision("ask")` on a permit: a person must agree first. */
  ask: boolean;
  /** From `@reason`: one sentence for a person. */
  reason: string;
  json: PolicyJson;
}

const ANNOTATIONS = new Set(['id', 'reason', 'decision']);
const ID = /^[a-z0-9]+([-.][a-z0-9]+)*$/;

/** Reads every rule of the sources, in their order. Throws PolicyError `invalid_policy` with all problems. */
export function readRules(schema: DomainSchema, sources: readonly PolicySource[]): Rule[] {
  const problems: PolicyProblem[] = [];
  const rules: Rule[] = [];
  for (const source of sources) {
    const found = new SourceReader(schema, source).read();
    problems.push(...found.problems);
    rules.push(...found.rules);
  }
  const seen = new Map<string, string>();
  for (const { id, file } of rules) {
    const first = seen.get(id);
    if (first) problems.push({ file, policy: id, message: `the id is already used in ${first}; choose another` });
    seen.set(id, file);
  }
  if (problems.length > 0) throw new PolicyError('invalid_policy', problems);
  return rules;
}

class SourceReader {
  readonly #schema: DomainSchema;
  readonly #source: PolicySource;
  readonly #problems: PolicyProblem[] = [];

  constructor(schema: DomainSchema, source: PolicySource) {
    this.#schema = schema;
    this.#source = source;
  }

  read(): { rules: Rule[]; problems: PolicyProblem[] } {
    if (!this.#source.text.isWellFormed()) {
      this.#problem('the text is not well-formed Unicode');
      return { rules: [], problems: this.#problems };
    }
    const parts = policySetTextToParts(this.#source.text);
    if (parts.type === 'failure') {
      for (const error of parts.errors) this.#report(error);
      return { rules: [], problems: this.#problems };
    }
    if (parts.policy_templates.length > 0) this.#problem('templates (?principal, ?resource) are not supported');
    const texts = inTextOrder(parts.policies);
    const rules = texts.flatMap((text, index) => this.#rule(text, index) ?? []);
    this.#validate(texts);
    return { rules, problems: this.#problems };
  }

  #validate(texts: string[]): void {
    const answer = validate({
      schema: this.#schema.text,
      policies: { staticPolicies: this.#source.text },
      validationSettings: { mode: 'strict' },
    });
    if (answer.type === 'failure') {
      for (const error of answer.errors) this.#report(error);
      return;
    }
    for (const { policyId, error } of [...answer.validationErrors, ...answer.validationWarnings]) {
      const index = Number(policyId.slice('policy'.length));
      this.#report(error, nameOf(texts[index] ?? '', index), policyId);
    }
    for (const error of answer.otherWarnings) this.#report(error);
  }

  #rule(text: string, index: number): Rule | undefined {
    const before = this.#problems.length;
    const answer = policyToJson(text);
    if (answer.type === 'failure') {
      for (const error of answer.errors) this.#report(error);
      return undefined;
    }
    const { json } = answer;
    const { id, reason, decision, ...others } = (json.annotations ?? {}) as Record<string, string | null | undefined>;
    const fault = (message: string): void => this.#problem(message, id || `policy ${index + 1}`, text);
    if (!id) fault('every rule needs an @id("…")');
    else if (!ID.test(id)) fault('an @id is lower-case words joined by "-" or "."');
    if (!reason?.trim()) fault('every rule needs a @reason("…") that a person can read');
    // A misspelt @decision would turn "ask" into "allow", so annotations nobody knows are refused.
    for (const name of Object.keys(others))
      fault(`@${name} is not known here; use ${[...ANNOTATIONS].map((known) => `@${known}`).join(', ')}`);
    if (decision !== undefined && decision !== 'ask') fault('the only @decision is @decision("ask")');
    if (decision !== undefined && json.effect === 'forbid') fault('@decision("ask") belongs on a permit');
    this.#checkEnums(json, fault);
    if (this.#problems.length > before) return undefined;
    return {
      id: id!,
      file: this.#source.file,
      effect: json.effect,
      ask: decision === 'ask',
      reason: reason!.trim(),
      json: { ...json, conditions: plainEnums(json.conditions, this.#schema.enums) as PolicyJson['conditions'] },
    };
  }

  /** Enum values become plain strings before evaluation, so `in` and `is` on them would change their meaning. */
  #checkEnums(json: PolicyJson, fault: (message: string) => void): void {
    walk(json.conditions, (node) => {
      const membership = node['in'] as { right?: unknown } | undefined;
      const type = enumIn(membership?.right, this.#schema.enums) ?? enumNamed(node['is'], this.#schema.enums);
      if (type) fault(`compare ${type} with == or […].contains(…), not with "in" or "is"`);
    });
  }

  #report(error: DetailedError, policy?: string, policyId?: string): void {
    const plain = policyId ? error.message.replace(/^for policy `[^`]*`[,:] /, '') : error.message;
    this.#problems.push({
      file: this.#source.file,
      ...placeOf(this.#source.text, error),
      ...(policy ? { policy } : {}),
      message: error.help ? `${plain} (${error.help})` : plain,
    });
  }

  #problem(message: string, policy?: string, text?: string): void {
    const at = text === undefined ? -1 : this.#source.text.indexOf(text);
    const place = at < 0 ? {} : placeAt(this.#source.text, at);
    this.#problems.push({ file: this.#source.file, ...place, ...(policy ? { policy } : {}), message });
  }
}

function nameOf(text: string, index: number): string {
  const answer = policyToJson(text);
  const id = answer.type === 'success' ? answer.json.annotations?.['id'] : undefined;
  return id || `policy ${index + 1}`;
}

/** Cedar returns the policies sorted by their made-up names, in which policy10 comes before policy2. */
function inTextOrder(policies: readonly string[]): string[] {
  const names = policies.map((_, index) => `policy${index}`).sort();
  const ordered: string[] = [];
  for (const [position, name] of names.entries()) ordered[Number(name.slice('policy'.length))] = policies[position]!;
  return ordered;
}

type Node = Record<string, unknown>;

function walk(value: unknown, visit: (node: Node) => void): void {
  if (typeof value !== 'object' || value === null) return;
  if (!Array.isArray(value)) visit(value as Node);
  for (const member of Object.values(value)) walk(member, visit);
}

function entityOf(value: unknown): { type: string; id: string } | undefined {
  return (value as { __entity?: { type: string; id: string } } | null)?.__entity;
}

function enumIn(value: unknown, enums: DomainSchema['enums']): string | undefined {
  let found: string | undefined;
  walk(value, (node) => {
    const type = entityOf(node)?.type;
    if (type && enums.has(type)) found = type;
  });
  return found;
}

function enumNamed(value: unknown, enums: DomainSchema['enums']): string | undefined {
  const type = (value as { entity_type?: string } | undefined)?.entity_type;
  return type && enums.has(type) ? type : undefined;
}

/**
 * `Integrity::"trusted"` → `"trusted"`: validation has used the enum's type, and evaluating strings costs a fifth of
 * evaluating entities (2.5 µs against 12 µs for each attribute of the context).
 */
function plainEnums(value: unknown, enums: DomainSchema['enums']): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map((item) => plainEnums(item, enums));
  const entity = entityOf(value);
  if (entity && enums.has(entity.type)) return entity.id;
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, plainEnums(member, enums)]));
}
