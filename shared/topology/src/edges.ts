/** Who may call whom, and for what. What is not listed here is refused by the callee and has no network path in the image. */
import type { ServiceName } from './services.ts';

/** `operator` is the person at the command line (`npx secai`). */
export type CallerName = ServiceName | 'operator';

export interface Edge {
  from: CallerName;
  to: ServiceName;
  /** Scopes of the callee's contract that this caller's token carries. */
  scopes: readonly string[];
}

export const edges: readonly Edge[] = [
  { from: 'registry', to: 'policy-engine', scopes: ['decide'] },
  { from: 'quarantine', to: 'policy-engine', scopes: ['decide', 'read'] },
  { from: 'inference-worker', to: 'policy-engine', scopes: ['decide'] },
  { from: 'ui', to: 'policy-engine', scopes: ['decide', 'read', 'human'] },
  { from: 'operator', to: 'policy-engine', scopes: ['read'] },

  { from: 'quarantine', to: 'registry', scopes: ['read', 'promote'] },
  { from: 'inference-worker', to: 'registry', scopes: ['read'] },
  { from: 'ui', to: 'registry', scopes: ['read', 'manage', 'human'] },
  { from: 'operator', to: 'registry', scopes: ['read'] },

  { from: 'ui', to: 'quarantine', scopes: ['read', 'submit'] },
  { from: 'operator', to: 'quarantine', scopes: ['read', 'submit'] },

  { from: 'ui', to: 'inference-worker', scopes: ['read', 'infer', 'manage'] },
  { from: 'operator', to: 'inference-worker', scopes: ['read'] },

  { from: 'operator', to: 'ui', scopes: ['read', 'infer', 'keys'] },
];

export function edgesFrom(caller: CallerName): Edge[] {
  return edges.filter((edge) => edge.from === caller);
}

export function edgesTo(callee: ServiceName): Edge[] {
  return edges.filter((edge) => edge.to === callee);
}

/** The scopes of one caller at one callee; empty when there is no edge. */
export function scopesOf(from: CallerName, to: ServiceName): readonly string[] {
  return edges.find((edge) => edge.from === from && edge.to === to)?.scopes ?? [];
}
