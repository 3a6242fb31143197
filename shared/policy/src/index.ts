export { digestOf } from './digest.ts';
export {
  type DecisionInput,
  type Domain,
  type DomainSource,
  loadDomain,
  type Outcome,
  type RuleSummary,
} from './domain.ts';
export { PolicyError, type PolicyErrorCode, type PolicyProblem } from './error.ts';
export { hostFault, nameFault, pathFault } from './names.ts';
export type { PolicySource } from './rules.ts';
