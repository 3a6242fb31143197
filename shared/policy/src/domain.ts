/** One policy domain: a schema, its rules, and decisions over them. */
import type { CedarRequest } from './cedar.ts';
import { digestOf } from './digest.ts';
import { principalOf, resourceOf } from './entities.ts';
import { Evaluator } from './evaluator.ts';
import { type PolicySource, type Rule, readRules } from './rules.ts';
import { type ActionSchema, type DomainSchema, readSchema } from './schema.ts';

export interface DomainSource {
  /** Its name on the wire, e.g. `tool_access`. */
  domain: string;
  schema: PolicySource;
  /** Evaluated together: a forbid of any of them wins over every permit. */
  policies: readonly PolicySource[];
}

/** Who wants to do what with which thing. All strings; `context` as the domain's schema says. */
export interface DecisionInput {
  principal: string;
  action: string;
  resource: string;
  context: Readonly<Record<string, unknown>>;
}

export interface Outcome {
  decision: 'allow' | 'deny' | 'ask';
  /** For a person: the deciding rules' reasons, what is wrong with the request, or that nothing allows it. */
  reason: string;
  /** Ids of the rules that decided, in the order of the text. Empty when none did. */
  policies: string[];
  /** The context's attributes of the type `Label`, by name; empty when the request could not be judged. */
  labels: Record<string, unknown>;
  /** Time spent, in microseconds. */
  eval_us: number;
}

export interface RuleSummary {
  id: string;
  file: string;
  effect: 'permit' | 'forbid';
  /** A permit that needs a person's agreement. */
  ask: boolean;
  reason: string;
}

const MAX_FAULTS_SHOWN = 5;

/**
 * Loads a domain and validates its policies against its schema (https://docs.cedarpolicy.com/policies/validation.html).
 * Throws PolicyError for any error or warning; its problems name file, line and policy.
 */
export function loadDomain(source: DomainSource): Domain {
  const schema = readSchema(source.schema);
  return new Domain(source, schema, readRules(schema, source.policies));
}

/** A loaded domain. Dispose it when another one has taken its place: prepared policies live in wasm memory. */
export class Domain {
  readonly name: string;
  /** `sha256:<hex>` over the schema and every policy text. */
  readonly digest: string;
  readonly rules: readonly RuleSummary[];
  readonly #schema: DomainSchema;
  readonly #order: ReadonlyMap<string, { rule: Rule; index: number }>;
  readonly #evaluator: Evaluator;

  constructor(source: DomainSource, schema: DomainSchema, rules: readonly Rule[]) {
    this.name = source.domain;
    const policies = source.policies.map(({ file, text }) => ({ file, text }));
    this.digest = digestOf({ domain: source.domain, schema: source.schema.text, policies });
    this.rules = rules.map(({ id, file, effect, ask, reason }) => ({ id, file, effect, ask, reason }));
    this.#schema = schema;
    this.#order = new Map(rules.map((rule, index) => [rule.id, { rule, index }]));
    this.#evaluator = new Evaluator(rules, schema.actions.keys());
  }

  /**
   * Decides one request: a forbid denies, else a plain permit allows, else a permit with `@decision("ask")` asks, else
   * the answer is deny. A request that does not fit the schema is denied with the reason. Never throws.
   */
  decide(input: DecisionInput): Outcome {
    const started = performance.now();
    const verdict = this.#judge(input);
    return { ...verdict, eval_us: Math.round((performance.now() - started) * 1000) };
  }

  [Symbol.dispose](): void {
    this.#evaluator.dispose();
  }

  #judge(input: DecisionInput): Omit<Outcome, 'eval_us'> {
    const action = this.#schema.actions.get(input.action);
    if (!action) return denial(`${quoted(input.action)} is not an action of ${this.name}.`);
    const request = this.#toCedar(input, action);
    if (typeof request === 'string') return denial(request);
    const labels = Object.fromEntries(action.labels.flatMap((name) => own(input.context, name)));
    return { ...this.#evaluate(input, request), labels };
  }

  #toCedar(input: DecisionInput, action: ActionSchema): CedarRequest | string {
    const faults: string[] = [];
    const principal = principalOf(input.principal);
    if (typeof principal === 'string') faults.push(principal);
    else if (!action.principalTypes.has(principal.type))
      faults.push(`${quoted(input.principal)} is not of a kind that may ask for this`);
    const resource = resourceOf(action.resourceType, input.resource);
    if (typeof resource === 'string') faults.push(resource);
    const listed = this.#schema.resourceEnums.get(action.resourceType);
    if (listed && !listed.includes(input.resource)) faults.push(`the resource must be one of ${listed.join(', ')}`);
    const context = action.context(input.context, 'context', faults);
    if (faults.length > 0 || typeof principal === 'string' || typeof resource === 'string') return malformed(faults);
    return {
      principal,
      action: { type: 'Action', id: input.action },
      resource: resource.uid,
      context: context as CedarRequest['context'],
      entities: resource.entities,
    };
  }

  #evaluate(input: DecisionInput, request: CedarRequest): Omit<Outcome, 'eval_us' | 'labels'> {
    const { satisfied: ids, errors } = this.#evaluator.evaluate(request);
    if (errors.length > 0)
      return denial(`The rules could not be evaluated, so the answer is no: ${errors.join('; ')}.`);
    const satisfied = ids
      .map((id) => this.#order.get(id)!)
      .sort((a, b) => a.index - b.index)
      .map(({ rule }) => rule);
    const forbids = satisfied.filter((rule) => rule.effect === 'forbid');
    if (forbids.length > 0) return decided('deny', forbids);
    const plain = satisfied.filter((rule) => !rule.ask);
    if (plain.length > 0) return decided('allow', plain);
    if (satisfied.length > 0) return decided('ask', satisfied);
    // The resource stays out of the text: an address may carry a secret, and reasons are logged.
    return denial(`Nothing in ${this.name} allows ${quoted(input.principal)} to ${input.action} this.`);
  }
}

function decided(decision: Outcome['decision'], rules: readonly Rule[]): Omit<Outcome, 'eval_us' | 'labels'> {
  const reasons = new Set(rules.map((rule) => rule.reason));
  return { decision, reason: [...reasons].join(' '), policies: rules.map((rule) => rule.id) };
}

function denial(reason: string): Omit<Outcome, 'eval_us'> {
  return { decision: 'deny', reason, policies: [], labels: {} };
}

function malformed(faults: readonly string[]): string {
  const more = faults.length > MAX_FAULTS_SHOWN ? `; and ${faults.length - MAX_FAULTS_SHOWN} more` : '';
  return `The request cannot be judged: ${faults.slice(0, MAX_FAULTS_SHOWN).join('; ')}${more}.`;
}

function own(context: Readonly<Record<string, unknown>>, name: string): [string, unknown][] {
  return Object.hasOwn(context, name) ? [[name, context[name]]] : [];
}

function quoted(text: string): string {
  return JSON.stringify(text.length > 120 ? `${text.slice(0, 120)}…` : text);
}
