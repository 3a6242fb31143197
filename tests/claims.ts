/**
 * What SecAI OS claims, one entry per row of the requirements and per promise of the README. Tests cite the ids they
 * prove with `verifies`; tests/claims.test.ts lists what nobody proves and fails when a proven claim loses its proof.
 */
import { describe } from 'vitest';

export interface Claim {
  /** Where the claim comes from: a row of the requirements, a section of the design, the README. */
  source: string;
  behaviour: string;
  /** proven: a test cites it. open: not built or not tested yet; the README must not promise it. */
  status: 'proven' | 'open';
}

const row = (source: string, status: Claim['status'], behaviour: string): Claim => ({ source, status, behaviour });

export const claims = {
  'zone.base-os': row(
    'Z1',
    'open',
    'immutable root, atomic update, rollback with one command, health checks after every boot that trigger the rollback',
  ),
  'zone.acquisition': row(
    'Z2',
    'open',
    'airlock off by default; downloads from allowlisted destinations only; all that arrives lands in quarantine',
  ),
  'zone.quarantine': row('Z3', 'proven', 'seven stages; failing any rejects'),
  'zone.runtime': row('Z4', 'open', 'only promoted models run; tool, MCP and search calls pass their firewalls'),
  'zone.runtime.promoted-only': row('Z4', 'proven', 'the engine runs only promoted models of the registry'),
  'zone.agent': row('Z5', 'open', 'plans, capability tokens, labels, two-phase approval, hard budgets'),
  'zone.airlock': row('Z6', 'open', 'destination allowlist, PII scan, credential scan, rate limit, HTTPS only'),
  'zone.enforcement': row(
    'Z7',
    'open',
    'policy engine, attestor, integrity monitor, incident recorder, GPU watch work as one loop',
  ),
  'service.policy-engine': row('P1', 'proven', 'six domains, structured evidence with every decision'),
  'service.policy-engine.asked': row('P1', 'open', 'every other service asks it; OPA/Rego can take its place'),
  'service.runtime-attestor': row(
    'P2',
    'open',
    'TPM2 quotes, boot measurements, HMAC-signed state bundles, start gating',
  ),
  'service.integrity-monitor': row('P3', 'open', 'signed baseline, 30 s cycle, severity, violations become incidents'),
  'service.incident-recorder': row('P4', 'open', 'nine classes, four states, containment by policy'),
  'service.gpu-integrity-watch': row('P5', 'open', 'driver fingerprint, device allowlist, baseline comparison'),
  'service.registry': row('P6', 'proven', 'listing, management, read-only model store, SHA-256 pins, signed manifest'),
  'service.registry.cosign': row('P6', 'open', 'cosign signatures'),
  'service.tool-firewall': row('P7', 'open', 'default deny, path allowlist, rate limit'),
  'service.mcp-firewall': row('P8', 'open', 'default deny, input redaction, taint tracking'),
  'service.agent': row('P9', 'open', 'verified supervisor, planner, storage gateway'),
  'service.ui': row('P10', 'proven', 'local passphrase login, chat and generation, models'),
  'service.ui.security': row('P10', 'open', 'approvals and security state on the page'),
  'service.search-mediator': row('P11', 'open', 'PII stripping, injection detection, Tor to SearXNG'),
  'service.airlock': row('P12', 'open', 'see zone.airlock'),
  'service.inference-worker': row('P13', 'proven', 'promoted models, read-only, in a sandboxed engine without network'),
  'service.vault': row('P14', 'open', 'encrypted storage, locked by containment, unlocked with the passphrase'),
  'boundary.network': row(
    'boundary: network perimeter',
    'open',
    'outside to airlock only, nftables, allowlist, PII scan',
  ),
  'boundary.acquisition': row(
    'boundary: acquisition',
    'open',
    'airlock to quarantine: format validation, source policy',
  ),
  'boundary.promotion': row('boundary: promotion', 'proven', 'quarantine to registry: seven stages and SHA-256 pin'),
  'boundary.execution': row('boundary: execution', 'proven', 'registry to inference: read-only models, sandbox'),
  'boundary.tool': row('boundary: tool', 'open', 'inference to tool firewall'),
  'boundary.mcp': row('boundary: MCP', 'open', 'inference to MCP firewall'),
  'boundary.policy': row(
    'boundary: policy',
    'proven',
    'every service to policy engine: central decision, evidence, six domains, fail closed',
  ),
  'boundary.agent': row('boundary: agent', 'open', 'UI to agent'),
  'boundary.agent-service': row(
    'boundary: agent to service',
    'proven',
    'local transport only, service tokens with scopes, fail closed',
  ),
  'boundary.search': row('boundary: search', 'open', 'inference to search mediator'),
  'boundary.attestation': row('boundary: attestation', 'open', 'attestor to all services'),
  'boundary.integrity': row('boundary: integrity', 'open', 'monitor to file system'),
  'boundary.incident': row('boundary: incident', 'open', 'reporters to recorder'),
  'boundary.containment': row('boundary: containment', 'open', 'recorder to agent, airlock, registry, vault'),
  'boundary.gpu': row('boundary: GPU', 'open', 'watch to GPU runtime'),
  'boundary.user': row('boundary: user', 'proven', 'user to UI: passphrase, sessions, rate limit'),
  'boundary.user.vault': row('boundary: user', 'open', 'vault encryption'),

  'kit.strict': row(
    'design 4',
    'proven',
    'unknown fields, duplicate keys, malformed and oversize bodies are refused by every service with a stable code',
  ),
  'kit.identity': row('design 4', 'proven', 'unknown or out-of-scope callers are refused by every service'),
  'start.two-commands': row(
    'README',
    'proven',
    'npm start on a fresh clone ends with a page; Ctrl-C stops everything; two stacks run side by side',
  ),
  'start.nothing-left': row('README', 'proven', 'a stopped or killed launcher leaves no process behind'),
  'chat.journey': row('README', 'proven', 'passphrase, seven stages, chat with a real model in a real browser'),
  'api.openai': row('README', 'proven', 'the official openai client works against the port of the page'),
  'audit.tamper-evident': row(
    'design 5',
    'proven',
    'any edit, drop, swap, duplicate or cut of the audit log is found and located',
  ),
  'store.durable': row('design 5', 'proven', 'kill -9 of any service under load loses nothing that was acknowledged'),
  'store.any-postgres': row('design 5', 'proven', 'the embedded store and a real PostgreSQL pass the same suite'),
  'cli.operator': row('README', 'proven', 'npx secai: status, logs, models, import, chat, keys create, audit verify'),
} as const satisfies Record<string, Claim>;

export type ClaimId = keyof typeof claims;

/** Groups the tests that prove these claims; the ids are in the group's name, where the gate and a reader find them. */
export function verifies(ids: ClaimId[], title: string, tests: () => void): void;
export function verifies(ids: ClaimId[], tests: () => void): void;
export function verifies(ids: ClaimId[], ...[first, second]: [string, () => void] | [() => void]): void {
  if (typeof first === 'string') describe(`${first} [${ids.join(' ')}]`, second as () => void);
  else describe(`[${ids.join(' ')}]`, first);
}
