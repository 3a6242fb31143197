import type { Contract } from './contract.ts';
import { inferenceWorker } from './inference-worker.ts';
import { policyEngine } from './policy-engine.ts';
import { quarantine } from './quarantine.ts';
import { registry } from './registry.ts';
import { ui } from './ui.ts';

/** Every contract by its service's name. */
export const contracts = {
  'policy-engine': policyEngine,
  registry,
  quarantine,
  'inference-worker': inferenceWorker,
  ui,
} as const satisfies Record<string, Contract>;
