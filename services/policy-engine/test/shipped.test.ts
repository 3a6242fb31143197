import { type DecisionRequest, policyDomain } from '@secai/contracts';
import type { Domain } from '@secai/policy';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { loadWith, readShipped } from '../src/book.ts';
import { decisions } from './decisions.ts';

const shipped = await readShipped(new URL('../policies', import.meta.url).pathname);
const domains = {} as Record<DecisionRequest['domain'], Domain>;
beforeAll(() => {
  for (const domain of policyDomain.options) domains[domain] = loadWith(domain, shipped[domain], '');
});
const decide = ({ domain, ...input }: DecisionRequest) => domains[domain].decide(input);

describe('the shipped policies', () => {
  it.each(decisions.map((row) => [row.name, row] as const))('%s', (_name, row) => {
    const outcome = decide(row.input);
    expect([outcome.decision, ...outcome.policies]).toEqual([row.decision, ...row.policies]);
    if (row.reason) expect(outcome.reason).toContain(row.reason);
  });
  it('are all exercised: every rule decides at least one row of the table', () => {
    const used = new Set(decisions.flatMap((row) => row.policies));
    const unused = policyDomain.options.flatMap((name) => domains[name].rules.filter(({ id }) => !used.has(id)));
    expect(unused.map(({ id }) => id)).toEqual([]);
  });
  it('give every reason as a sentence for a person', () => {
    for (const name of policyDomain.options)
      for (const { reason } of domains[name].rules) expect(reason).toMatch(/^[A-Z].*\.$/);
  });
});

describe('whatever the request', () => {
  const allowed = decisions.filter((row) => row.decision !== 'deny');
  const someRow = fc.constantFrom(...allowed);

  it('a principal that nobody knows gets nothing', () => {
    const stranger = fc.string({ unit: 'binary' }).filter((text) => !/^user(:|$)/.test(text));
    const known = new Set(decisions.map((row) => row.input.principal));
    fc.assert(
      fc.property(someRow, stranger, (row, principal) => {
        // Logs of public data are open to every service.
        fc.pre(!known.has(principal) && !row.policies.includes('flow-log'));
        expect(decide({ ...row.input, principal }).decision).toBe('deny');
      }),
    );
  });
  it('a verb that nobody knows does nothing', () => {
    const verbs = new Set(decisions.map((row) => row.input.action));
    fc.assert(
      fc.property(someRow, fc.string(), (row, action) => {
        fc.pre(!verbs.has(action));
        expect(decide({ ...row.input, action }).decision).toBe('deny');
      }),
    );
  });
  it('an attribute that nobody knows never allows', () => {
    fc.assert(
      fc.property(someRow, fc.string({ minLength: 1 }), fc.jsonValue(), (row, name, value) => {
        fc.pre(
          !(name in row.input.context) &&
            !['attestation', 'incident', 'over_limit', 'ceiling', 'online'].includes(name),
        );
        const context = { ...row.input.context, [name]: value };
        expect(decide({ ...row.input, context }).decision).toBe('deny');
      }),
    );
  });
  it('an attribute of another type never allows', () => {
    fc.assert(
      fc.property(someRow, fc.nat(), fc.jsonValue(), (row, at, value) => {
        const names = Object.keys(row.input.context);
        const name = names[at % names.length]!;
        const before = row.input.context[name];
        fc.pre(
          Array.isArray(value) !== Array.isArray(before) || (typeof value !== typeof before && value !== undefined),
        );
        expect(decide({ ...row.input, context: { ...row.input.context, [name]: value } }).decision).toBe('deny');
      }),
    );
  });
  it('a path outside of the roots is never opened, least of all a sibling', () => {
    const segment = fc.stringMatching(/^[a-zA-Z0-9 ._-]{1,6}$/).filter((text) => !['.', '..'].includes(text));
    const folder = fc.array(segment, { minLength: 1, maxLength: 4 }).map((segments) => `/${segments.join('/')}`);
    fc.assert(
      fc.property(
        folder,
        folder,
        folder,
        fc.constantFrom('read', 'list', 'search', 'stat'),
        (a, b, resource, action) => {
          const inside = [a, b].some((root) => resource === root || resource.startsWith(`${root}/`));
          const input = { domain: 'path_access', principal: 'agent', action, resource } as const;
          const context = {
            read_roots: [a],
            write_roots: [b],
            call_label: { integrity: 'trusted', sensitivity: 'public' },
          };
          if (!inside) expect(decide({ ...input, context }).decision).toBe('deny');
          expect(
            decide({ ...input, resource: `${a}${segmentOf(resource)}`, context: { ...context, write_roots: [] } })
              .decision,
          ).toBe('deny');
        },
      ),
    );
  });
  const segmentOf = (path: string): string => `-${path.split('/')[1]}`;

  const labels = fc.record({
    integrity: fc.constantFrom('trusted', 'untrusted'),
    sensitivity: fc.constantFrom('public', 'internal', 'confidential', 'secret'),
  });
  it('secret data never leaves and untrusted text never changes anything, over all labels and states', () => {
    const context = fc.record({
      effect: fc.constantFrom('read', 'write', 'outbound', 'trust_change'),
      call_label: labels,
      data_label: labels,
    });
    const principal = fc.constantFrom('agent', 'ui', 'user', 'user:zoe');
    fc.assert(
      fc.property(context, principal, (facts, who) => {
        const input = { domain: 'tool_access', principal: who, action: 'invoke', resource: 't' } as const;
        const { decision } = decide({ ...input, context: { ...facts, declared: true } });
        if (facts.effect !== 'read' && facts.call_label.integrity === 'untrusted') expect(decision).toBe('deny');
        if (facts.effect === 'outbound' && ['confidential', 'secret'].includes(facts.data_label.sensitivity))
          expect(decision).toBe('deny');
        if (facts.effect !== 'read' && !who.startsWith('user')) expect(decision).not.toBe('allow');
      }),
    );
  });
  it('a worse state of the machine never allows more', () => {
    const rank = { deny: 0, ask: 1, allow: 2 };
    const worse = fc.constantFrom(
      { attestation: 'degraded' },
      { attestation: 'failed' },
      { incident: 'high' },
      { incident: 'critical' },
    );
    fc.assert(
      fc.property(someRow, worse, (row, state) => {
        const after = decide({ ...row.input, context: { ...row.input.context, ...state } }).decision;
        const { attestation: _a, incident: _i, ...calm } = row.input.context;
        expect(rank[after]).toBeLessThanOrEqual(rank[decide({ ...row.input, context: calm }).decision]);
      }),
    );
  });
});
