/** Evaluates a domain's rules on a request: those that can apply, in one prepared set. */
import {
  type CedarAnswer,
  type CedarRequest,
  type EntityJson,
  type EntityUidJson,
  PreparedSet,
  type TypeAndId,
} from './cedar.ts';
import { entityKey, type Facts, type Prefilter, prefilterOf, type Reads, readsOf } from './prefilter.ts';
import type { Rule } from './rules.ts';

interface Candidate {
  index: number;
  rule: Rule;
  mayApply: Prefilter;
}

interface Selection {
  set: PreparedSet;
  reads: Reads;
}

/** How many different selections stay prepared. Ordinary traffic needs a few per verb. */
const KEPT_SELECTIONS = 128;

export class Evaluator {
  readonly #byVerb: ReadonlyMap<string, readonly Candidate[]>;
  readonly #selections = new Map<string, Selection>();
  #disposed = false;

  constructor(rules: readonly Rule[], verbs: Iterable<string>) {
    const candidates = rules.map((rule, index) => ({ index, rule, mayApply: prefilterOf(rule.json) }));
    this.#byVerb = new Map(
      Array.from(verbs, (verb) => [verb, candidates.filter(({ rule }) => coversVerb(rule, verb))]),
    );
  }

  /** What Cedar says; nothing is satisfied where no rule can apply. */
  evaluate(request: CedarRequest): CedarAnswer {
    if (this.#disposed) return { satisfied: [], errors: ['these rules are no longer in force'] };
    const facts = factsOf(request);
    const remaining = this.#byVerb.get(request.action.id)!.filter(({ mayApply }) => mayApply(facts));
    if (remaining.length === 0) return { satisfied: [], errors: [] };
    const { set, reads } = this.#select(remaining);
    return set.evaluate(visiblePart(request, reads));
  }

  dispose(): void {
    this.#disposed = true;
    for (const { set } of this.#selections.values()) set.dispose();
    this.#selections.clear();
  }

  #select(candidates: readonly Candidate[]): Selection {
    const key = candidates.map(({ index }) => index).join();
    const found = this.#selections.get(key);
    if (found) {
      // Moved to the end: the first one is always the one that was not used for longest.
      this.#selections.delete(key);
      this.#selections.set(key, found);
      return found;
    }
    const oldest = this.#selections.size >= KEPT_SELECTIONS ? this.#selections.keys().next().value : undefined;
    if (oldest !== undefined) {
      this.#selections.get(oldest)!.set.dispose();
      this.#selections.delete(oldest);
    }
    const made = selectionOf(candidates.map(({ rule }) => rule));
    this.#selections.set(key, made);
    return made;
  }
}

function selectionOf(rules: readonly Rule[]): Selection {
  const all = rules.map((rule) => readsOf(rule.json));
  return {
    set: new PreparedSet(Object.fromEntries(rules.map((rule) => [rule.id, rule.json]))),
    reads: {
      attributes: new Set(all.flatMap(({ attributes }) => [...attributes])),
      entities: new Set(all.flatMap(({ entities }) => [...entities])),
      wholeContext: all.some(({ wholeContext }) => wholeContext),
    },
  };
}

/** The request without what no rule of the selection can see: every attribute and parent costs Cedar 2 to 10 µs. */
function visiblePart(request: CedarRequest, reads: Reads): CedarRequest {
  const context = reads.wholeContext ? request.context : pick(request.context, reads.attributes);
  if (request.entities.length === 0) return { ...request, context };
  const named = entitiesIn(context, new Set(reads.entities));
  const entities = request.entities.map((entity): EntityJson => {
    const parents = entity.parents.filter((parent) => named.has(keyOf(parent)));
    return { uid: entity.uid, attrs: pick(entity.attrs, reads.attributes), parents };
  });
  return { ...request, context, entities };
}

function entitiesIn(value: unknown, found: Set<string>): Set<string> {
  if (typeof value !== 'object' || value === null) return found;
  const entity = (value as { __entity?: TypeAndId }).__entity;
  if (entity) found.add(entityKey(entity));
  else for (const member of Object.values(value)) entitiesIn(member, found);
  return found;
}

function keyOf(entity: EntityUidJson): string {
  return entityKey('__entity' in entity ? entity.__entity : entity);
}

function factsOf(request: CedarRequest): Facts {
  const own = entityKey(request.resource);
  const [entity] = request.entities;
  const parents = entity?.parents.map(keyOf) ?? [];
  return {
    principal: entityKey(request.principal),
    action: entityKey(request.action),
    resource: own,
    attributes: entity?.attrs ?? {},
    within: new Set([own, ...parents]),
    context: request.context,
  };
}

function pick<T>(record: Readonly<Record<string, T>>, names: ReadonlySet<string>): Record<string, T> {
  return Object.fromEntries(Object.entries(record).filter(([name]) => names.has(name)));
}

function coversVerb({ json: { action } }: Rule, verb: string): boolean {
  if (action.op === 'All' || 'slot' in action) return true;
  const entities = 'entities' in action ? action.entities : [action.entity];
  return entities.some((entity) => ('__entity' in entity ? entity.__entity : entity).id === verb);
}
