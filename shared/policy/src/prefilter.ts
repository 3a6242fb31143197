/**
 * Which rules can apply to a request at all. Cedar spends 1 to 3 µs on each policy it looks at and 2.5 µs on each
 * attribute of the context, and almost every rule of a domain is plainly out for any one request. What is left goes to
 * Cedar, which alone says what is satisfied: here a rule is only ever left out, and only when it is certainly false.
 */
import type { EntityUidJson, PatternElem, PolicyJson, TypeAndId } from './cedar.ts';

export interface Facts {
  principal: string;
  action: string;
  resource: string;
  /** The resource's attributes. */
  attributes: Readonly<Record<string, unknown>>;
  /** What the resource is in, itself included. */
  within: ReadonlySet<string>;
  context: Readonly<Record<string, unknown>>;
}

/** False: the rule cannot be satisfied. Anything else is for Cedar to say. */
export type Prefilter = (facts: Facts) => boolean;

type Known = string | number | boolean | readonly unknown[] | Readonly<Record<string, unknown>>;
type Evaluate = (facts: Facts) => Known | undefined;
type Node = Record<string, unknown>;

/** Operators that cannot fail in a validated policy. Arithmetic can (overflow), and a rule that fails must be seen to. */
const CANNOT_FAIL = new Set(
  'Value Var == != && || ! . has contains containsAll containsAny isEmpty Set Record is in like < <= > >= if-then-else'.split(
    ' ',
  ),
);

export function prefilterOf(policy: PolicyJson): Prefilter {
  const conditions = policy.conditions.map(({ kind, body }) => ({ kind, body: body as Node }));
  if (!conditions.every(({ body }) => cannotFail(body))) return () => true;
  const tests = [
    scopeTest(policy.principal as Scope, (facts) => facts.principal),
    scopeTest(policy.action as Scope, (facts) => facts.action),
    scopeTest(policy.resource as Scope, (facts) => facts.resource),
    ...conditions.map(({ kind, body }) => {
      const evaluate = compile(body);
      const refuted = kind === 'unless';
      return (facts: Facts): boolean => evaluate(facts) !== refuted;
    }),
  ];
  return (facts) => tests.every((test) => test(facts));
}

/** How an entity is written in facts. No string of the wire is ever compared with it: Cedar's validation keeps types apart. */
export function entityKey({ type, id }: TypeAndId): string {
  return `${type}::${id}`;
}

/** What a policy can see of a request; the rest need not be handed to Cedar. */
export interface Reads {
  /** Every attribute name in it, whatever it is an attribute of. */
  attributes: Set<string>;
  /** Keys of the entities it names. */
  entities: Set<string>;
  /** It uses the context as a value, not only its attributes. */
  wholeContext: boolean;
}

export function readsOf(policy: PolicyJson): Reads {
  const reads: Reads = { attributes: new Set(), entities: new Set(), wholeContext: false };
  const visit = (value: unknown): void => {
    if (typeof value !== 'object' || value === null) return;
    const node = value as Node;
    if (node['Var'] === 'context') reads.wholeContext = true;
    if (typeof node['type'] === 'string' && typeof node['id'] === 'string')
      reads.entities.add(entityKey(node as unknown as TypeAndId));
    const access = (node['.'] ?? node['has']) as { left: Node; attr: string | string[] } | undefined;
    if (access?.left) {
      for (const name of [access.attr].flat()) reads.attributes.add(name);
      if (access.left['Var'] !== 'context') visit(access.left);
    } else for (const member of Object.values(node)) visit(member);
  };
  visit([policy.principal, policy.action, policy.resource, policy.conditions]);
  return reads;
}

function cannotFail(value: unknown): boolean {
  const node = value as Node;
  const [operator, operand] = Object.entries(node)[0]!;
  if (!CANNOT_FAIL.has(operator)) return false;
  if (operator === 'Value' || operator === 'Var') return true;
  if (operator === 'Set') return (operand as Node[]).every(cannotFail);
  const operands = Object.values(operand as Node).filter((part) => typeof part === 'object' && part !== null);
  if (operator === 'like' || operator === 'has') return cannotFail((operand as { left: Node }).left);
  return operands.every(cannotFail);
}

type Scope = { op: string; entity?: EntityUidJson; entities?: EntityUidJson[]; entity_type?: string; in?: Scope };

/** `in` holds for the entity itself and, for a resource, for what it lies in; principals and actions lie in nothing. */
function scopeTest(scope: Scope, subject: (facts: Facts) => string): Prefilter {
  const { op } = scope;
  if (op === 'All') return () => true;
  if (op === 'is') {
    const prefix = `${scope.entity_type}::`;
    const within = scope.in ? scopeTest({ ...scope.in, op: 'in' }, subject) : () => true;
    return (facts) => subject(facts).startsWith(prefix) && within(facts);
  }
  const keys = (scope.entities ?? [scope.entity!]).map((entity) =>
    entityKey('__entity' in entity ? entity.__entity : entity),
  );
  if (op === '==') return (facts) => subject(facts) === keys[0];
  return (facts) => {
    const own = subject(facts);
    return keys.some((key) => key === own || (own === facts.resource && facts.within.has(key)));
  };
}

const unknown: Evaluate = () => undefined;

/** Three-valued: undefined is "not known here". */
function compile(node: Node): Evaluate {
  const [operator, operand] = Object.entries(node)[0]! as [string, Node];
  const sides = (): [Evaluate, Evaluate] => [compile(operand['left'] as Node), compile(operand['right'] as Node)];
  switch (operator) {
    case 'Value': {
      const value = known(operand);
      return () => value;
    }
    case 'Var':
      return variable(operand as unknown as string);
    case 'Set': {
      const items = (operand as unknown as Node[]).map(compile);
      return (facts) => {
        const values = items.map((item) => item(facts));
        return values.includes(undefined) ? undefined : values;
      };
    }
    case '&&': {
      const [left, right] = sides();
      return (facts) => both(left(facts), () => right(facts));
    }
    case '||': {
      const [left, right] = sides();
      return (facts) => not(both(not(left(facts)), () => not(right(facts))));
    }
    case '!': {
      const argument = compile(operand['arg'] as Node);
      return (facts) => not(argument(facts));
    }
    case '==':
    case '!=': {
      const [left, right] = sides();
      return (facts) => {
        const equal = equals(left(facts), right(facts));
        return operator === '==' ? equal : not(equal);
      };
    }
    case 'contains': {
      const [left, right] = sides();
      return (facts) => {
        const [set, item] = [left(facts), right(facts)];
        return Array.isArray(set) && isScalar(item) && set.every(isScalar) ? set.includes(item) : undefined;
      };
    }
    case 'in': {
      const [left, right] = sides();
      return (facts) => (left(facts) === facts.resource ? inside(facts, right(facts)) : undefined);
    }
    case 'is': {
      if (operand['in']) return unknown;
      const subject = compile(operand['left'] as Node);
      const prefix = `${operand['entity_type'] as string}::`;
      return (facts) => {
        const value = subject(facts);
        return typeof value === 'string' ? value.startsWith(prefix) : undefined;
      };
    }
    case 'like': {
      const subject = compile(operand['left'] as Node);
      const matches = wildcardMatcher(operand['pattern'] as PatternElem[]);
      return (facts) => {
        const text = subject(facts);
        return typeof text === 'string' ? matches(text) : undefined;
      };
    }
    case '.':
    case 'has':
      return attribute(operator, operand);
    default:
      return unknown;
  }
}

/** Cedar's `like`: literals in order with anything between them where the pattern has a wildcard. */
function wildcardMatcher(pattern: readonly PatternElem[]): (text: string) => boolean {
  const parts = [''];
  for (const element of pattern) {
    if (element === 'Wildcard') parts.push('');
    else parts.push(`${parts.pop()!}${element.Literal}`);
  }
  const [first, last] = [parts[0]!, parts.at(-1)!];
  if (parts.length === 1) return (text) => text === first;
  return (text) => {
    if (!text.startsWith(first) || !text.endsWith(last) || text.length < first.length + last.length) return false;
    let at = first.length;
    for (const part of parts.slice(1, -1)) {
      const found = text.indexOf(part, at);
      if (found === -1) return false;
      at = found + part.length;
    }
    return at <= text.length - last.length;
  };
}

function variable(name: string): Evaluate {
  if (name === 'principal') return (facts) => facts.principal;
  if (name === 'resource') return (facts) => facts.resource;
  if (name === 'action') return (facts) => facts.action;
  return (facts) => facts.context;
}

function attribute(operator: '.' | 'has', { left, attr }: Node): Evaluate {
  if (typeof attr !== 'string') return unknown;
  const ofResource = (left as Node)['Var'] === 'resource';
  const owner = compile(left as Node);
  return (facts) => {
    const record = ofResource ? facts.attributes : owner(facts);
    if (typeof record !== 'object' || Array.isArray(record)) return undefined;
    const present = Object.hasOwn(record, attr);
    if (operator === 'has') return present;
    return present ? known((record as Record<string, unknown>)[attr]) : undefined;
  };
}

/** Cedar's JSON for a value as facts hold it: entities by their key. */
function known(value: unknown): Known | undefined {
  if (isScalar(value)) return value;
  if (typeof value !== 'object' || value === null) return undefined;
  if (Array.isArray(value)) {
    const items = value.map(known);
    return items.includes(undefined) ? undefined : items;
  }
  const entity = (value as { __entity?: TypeAndId }).__entity;
  return entity ? entityKey(entity) : (value as Record<string, unknown>);
}

function isScalar(value: unknown): value is string | number | boolean {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';
}

function equals(left: Known | undefined, right: Known | undefined): boolean | undefined {
  return isScalar(left) && isScalar(right) ? left === right : undefined;
}

function both(left: Known | undefined, right: () => Known | undefined): boolean | undefined {
  if (left === false) return false;
  const other = right();
  if (other === false) return false;
  return left === true && other === true ? true : undefined;
}

function not(value: Known | undefined): boolean | undefined {
  return typeof value === 'boolean' ? !value : undefined;
}

function inside(facts: Facts, target: Known | undefined): boolean | undefined {
  const keys = typeof target === 'string' ? [target] : target;
  if (!Array.isArray(keys) || !keys.every((key) => typeof key === 'string')) return undefined;
  return keys.some((key) => facts.within.has(key));
}
