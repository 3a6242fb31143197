/** The few functions of cedar-wasm that are used, and prepared policy sets, which live inside the wasm instance. */
import {
  type CedarValueJson,
  type EntityJson,
  type Policy,
  preparsePolicySet,
  statefulIsAuthorized,
  type TypeAndId,
} from '@cedar-policy/cedar-wasm/nodejs';

export {
  type CedarValueJson,
  type DetailedError,
  type EntityJson,
  type EntityUidJson,
  type PatternElem,
  type PolicyJson,
  policySetTextToParts,
  policyToJson,
  type SchemaJson,
  schemaToJsonWithResolvedTypes,
  type Type,
  type TypeAndId,
  validate,
} from '@cedar-policy/cedar-wasm/nodejs';

export interface CedarRequest {
  principal: TypeAndId;
  action: TypeAndId;
  resource: TypeAndId;
  context: Record<string, CedarValueJson>;
  entities: EntityJson[];
}

export interface CedarAnswer {
  /** Ids of the satisfied policies that determine the answer. */
  satisfied: readonly string[];
  /** What went wrong. Cedar skips a policy that fails, so a failing forbid would open a door: callers deny. */
  errors: readonly string[];
}

let lastSlot = 0;
const freeSlots: string[] = [];

/**
 * A policy set parsed once. cedar-wasm keeps such sets under a name for the life of the thread and cannot drop one, so
 * names are used again after `dispose`.
 */
export class PreparedSet {
  readonly slot: string;

  /** Throws Error when a policy does not parse; texts that passed validation do. */
  constructor(policies: Record<string, Policy>) {
    this.slot = freeSlots.pop() ?? `set${++lastSlot}`;
    const answer = preparsePolicySet(this.slot, { staticPolicies: policies });
    if (answer.type === 'success') return;
    freeSlots.push(this.slot);
    throw new Error(`cedar refused policies that it had validated: ${answer.errors.map((e) => e.message).join('; ')}`);
  }

  evaluate(request: CedarRequest): CedarAnswer {
    const answer = statefulIsAuthorized({ ...request, preparsedPolicySetId: this.slot });
    if (answer.type === 'failure') return { satisfied: [], errors: answer.errors.map((error) => error.message) };
    const { reason, errors } = answer.response.diagnostics;
    return { satisfied: reason, errors: errors.map((error) => `${error.policyId}: ${error.error.message}`) };
  }

  dispose(): void {
    preparsePolicySet(this.slot, { staticPolicies: {} });
    freeSlots.push(this.slot);
  }
}
