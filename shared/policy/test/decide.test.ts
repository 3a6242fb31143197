import { type CedarValueJson, isAuthorized } from '@cedar-policy/cedar-wasm/nodejs';
import { type DecisionInput, digestOf, PolicyError } from '@secai/policy';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { domainOf, label, rule, SCHEMA } from './support.ts';

const use = (over: Partial<DecisionInput> = {}): DecisionInput => ({
  principal: 'agent',
  action: 'use',
  resource: 'thing',
  context: { label, count: 1 },
  ...over,
});

/** The same context as Cedar's own entry point takes it. */
function officialContext(context: object): Record<string, CedarValueJson> {
  const text = JSON.stringify(context, (key, value) =>
    key === 'level' ? { __entity: { type: 'Level', id: value } } : value,
  );
  return JSON.parse(text);
}

function loads(text: string): boolean {
  try {
    domainOf(text)[Symbol.dispose]();
    return true;
  } catch (error) {
    if (error instanceof PolicyError) return false;
    throw error;
  }
}

const permitUse = rule('may-use', 'permit (principal == Service::"agent", action == Action::"use", resource);');
const askUse = rule('ask-use', '@decision("ask")\npermit (principal, action == Action::"use", resource);');
const forbidRed = rule(
  'no-red',
  'forbid (principal, action == Action::"use", resource) when { context has colour && context.colour == Colour::"red" };',
);

describe('allow, ask and deny', () => {
  it('denies by default and says that nothing allows it', () => {
    const outcome = domainOf('').decide(use());
    expect(outcome).toMatchObject({ decision: 'deny', policies: [] });
    expect(outcome.reason).toBe('Nothing in sample allows "agent" to use this.');
  });
  it('allows with the id and reason of the rule, the labels and the time', () => {
    expect(domainOf(permitUse).decide(use())).toEqual({
      decision: 'allow',
      policies: ['may-use'],
      reason: 'Because of may-use.',
      labels: { label },
      eval_us: expect.any(Number),
    });
  });
  it('asks when only asking permits apply, and a plain permit decides over them', () => {
    expect(domainOf(askUse).decide(use())).toMatchObject({ decision: 'ask', policies: ['ask-use'] });
    expect(domainOf(askUse + permitUse).decide(use())).toMatchObject({ decision: 'allow', policies: ['may-use'] });
    const other = use({ principal: 'user:zoe' });
    expect(domainOf(askUse + permitUse).decide(other)).toMatchObject({ decision: 'ask', policies: ['ask-use'] });
  });
  it('a forbid wins over both', () => {
    const red = use({ context: { label, count: 1, colour: 'red' } });
    const domain = domainOf(permitUse + askUse, forbidRed);
    expect(domain.decide(red)).toMatchObject({ decision: 'deny', policies: ['no-red'], reason: 'Because of no-red.' });
    expect(domain.decide(use({ context: { label, count: 1, colour: 'green' } })).decision).toBe('allow');
  });
  it('names all rules that decided in the order of the text, equal reasons once', () => {
    const body = 'permit (principal, action == Action::"use", resource);';
    const text = Array.from({ length: 12 }, (_, index) => rule(`r${index}`, body, 'Same.')).join('');
    const outcome = domainOf(text).decide(use());
    expect(outcome.policies).toEqual(Array.from({ length: 12 }, (_, index) => `r${index}`));
    expect(outcome.reason).toBe('Same.');
  });
  it('denies when a rule fails while it runs: a forbid that Cedar skips must not open the door', () => {
    const failing = 'context.count * 9007199254740991 > 0';
    for (const test of [failing, `${failing} && context.label.level == Level::"high"`, `${failing} || true`]) {
      const overflow = rule('overflow', `forbid (principal, action == Action::"use", resource) when { ${test} };`);
      const outcome = domainOf(permitUse, overflow).decide(use({ context: { label, count: Number.MAX_SAFE_INTEGER } }));
      expect(outcome).toMatchObject({ decision: 'deny', policies: [] });
      expect(outcome.reason).toContain('overflow');
    }
  });
});

describe('requests that cannot be judged are denied and name what is wrong', () => {
  const domain = domainOf(rule('all', 'permit (principal, action, resource);'));
  const denied = (input: DecisionInput): string => {
    const outcome = domain.decide(input);
    expect(outcome).toMatchObject({ decision: 'deny', policies: [], labels: {} });
    return outcome.reason;
  };
  it.each<[string, unknown, string]>([
    ['an unknown attribute', { label, count: 1, risk: 'auto' }, 'context.risk is not known here'],
    ['an unknown nested attribute', { label: { ...label, extra: 1 }, count: 1 }, 'context.label.extra is not known'],
    ['a missing attribute', { label }, 'context.count is missing'],
    ['a wrong type', { label, count: '1' }, 'context.count must be a whole number'],
    ['a fraction', { label, count: 1.5 }, 'whole number'],
    ['a number beyond 2^53', { label, count: 2 ** 53 }, 'whole number'],
    ['a value outside of the enum', { label: { level: 'extreme' }, count: 1 }, 'one of low, mid, high'],
    ['null', { label: null, count: 1 }, 'context.label must be an object'],
    ['an array for an object', { label: [], count: 1 }, 'context.label must be an object'],
    ['a string for a list', { label, count: 1, words: 'a' }, 'context.words must be a list'],
    ['a wrong item', { label, count: 1, words: ['a', 2] }, 'context.words[1] must be a string'],
    ['a lone surrogate', { label, count: 1, words: ['\ud800'] }, 'context.words[0]'],
    ['a smuggled entity', { label: { level: { __entity: { type: 'Level', id: 'low' } } }, count: 1 }, 'one of low'],
    ['a smuggled extension', { label, count: { __extn: { fn: 'decimal', arg: '1.0' } } }, 'whole number'],
    ['an inherited attribute', Object.create({ label, count: 1 }), 'context.label is missing'],
    ['no object at all', 'x', 'context must be an object'],
  ])('%s', (_name, context, why) => {
    expect(denied(use({ context: context as DecisionInput['context'] }))).toContain(why);
  });
  it('__proto__ is an unknown attribute like any other', () => {
    const context = JSON.parse('{"label":{"level":"low"},"count":1,"__proto__":{"flag":true}}');
    expect(denied(use({ context }))).toContain('context.__proto__');
  });
  it('an unknown verb, a principal of a kind that may not ask, control characters, a sink that is none', () => {
    expect(denied(use({ action: 'destroy' }))).toBe('"destroy" is not an action of sample.');
    expect(denied(use({ action: 'constructor' }))).toContain('not an action');
    expect(denied(use({ principal: 'user', action: 'drop' }))).toContain('may ask');
    expect(denied(use({ resource: 'a\0b' }))).toContain('control character');
    expect(denied(use({ principal: 'a\u202eb' }))).toContain('invisible');
    expect(denied({ principal: 'a', action: 'flow', resource: 'farther', context: {} })).toContain('one of near, far');
  });
  it('many faults are shown as five and a count', () => {
    const context = Object.fromEntries(Array.from({ length: 50 }, (_, index) => [`x${index}`, 1]));
    expect(denied(use({ context }))).toMatch(/x4 is not known here; and 47 more\.$/);
  });
  it('never throws and never allows on anything at all', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), fc.string(), fc.anything(), (principal, action, resource, context) => {
        const input = { principal, action, resource, context } as DecisionInput;
        expect(domain.decide(input).decision).toBe('deny');
        expect(domain.decide({ ...input, action: 'use' }).decision).toBe('deny');
      }),
    );
  });
});

describe('paths and destinations', () => {
  const domain = domainOf(
    rule('roots', 'permit (principal, action == Action::"open", resource) when { resource in context.roots };') +
      rule('not-private', 'forbid (principal, action, resource in Path::"/vault/private");') +
      rule(
        'listed',
        'permit (principal, action == Action::"visit", resource) when { resource in context.allowlist && resource.scheme == "https" };',
      ) +
      rule('not-evil', 'forbid (principal, action, resource in Host::"*.evil.example");'),
  );
  const open = (resource: string, roots = ['/vault']): string =>
    domain.decide({ principal: 'agent', action: 'open', resource, context: { roots } }).decision;
  const visit = (resource: string, allowlist: string[]): string =>
    domain.decide({ principal: 'agent', action: 'visit', resource, context: { allowlist } }).decision;

  it('a path lies in whole folders', () => {
    expect(open('/vault')).toBe('allow');
    expect(open('/vault/a/b')).toBe('allow');
    expect(open('/vaulted/a')).toBe('deny');
    expect(open('/vault/private')).toBe('deny');
    expect(open('/vault/private/key')).toBe('deny');
    expect(open('/vault/private2')).toBe('allow');
    expect(open('/vault/a', ['/vault/../'])).toBe('deny');
  });
  it('a sibling of a root is never inside, whatever the names', () => {
    const segment = fc.stringMatching(/^[a-z._-]{1,4}$/).filter((text) => text !== '.' && text !== '..');
    fc.assert(
      fc.property(fc.array(segment, { minLength: 1, maxLength: 4 }), segment, fc.array(segment), (root, tail, rest) => {
        const folder = `/${root.join('/')}`;
        expect(open([`${folder}${tail}`, ...rest].join('/'), [folder])).toBe('deny');
        fc.pre(folder !== '/vault');
        expect(open([folder, tail, ...rest].join('/'), [folder])).toBe('allow');
      }),
    );
  });
  it('a destination is covered by its list, a rule about a host holds under every wildcard above', () => {
    expect(visit('https://a.example/x', ['a.example'])).toBe('allow');
    expect(visit('https://b.a.example/x', ['a.example'])).toBe('deny');
    expect(visit('https://b.a.example/x', ['*.a.example'])).toBe('allow');
    expect(visit('https://c.evil.example/', ['*.example'])).toBe('deny');
    expect(visit('http://a.example/x', ['a.example'])).toBe('deny');
  });
});

describe('properties over generated rules', () => {
  const scopes = ['principal', 'principal == Service::"agent"', 'principal == Service::"ui"', 'principal is User'];
  const things = ['resource', 'resource == Thing::"a"', 'resource == Thing::"b"', 'resource is Thing'];
  const conditions = [
    'true || context.count == 0',
    'context.count > 1',
    'principal is User || context.count == 1',
    '!(context has pair) || context.label.level == Level::"high"',
    'principal is Service && [Service::"agent", Service::"other"].contains(principal) && resource != Thing::"c"',
    'principal in Service::"ui" || resource in [Thing::"a", Thing::"b"]',
    'context.label has sources && !context.label.sources.isEmpty() && context.count * 9007199254740991 < 5',
    'context.label.level == Level::"low"',
    '[Level::"mid", Level::"high"].contains(context.label.level)',
    'context.label.level != Level::"high"',
    '(if context.count == 2 then Level::"low" else Level::"mid") == context.label.level',
    'context.label has sources && context.label.sources.contains("x")',
    'context has pair && context.pair == {level: Level::"low", more: true}',
    'context has pair && [{more: true, level: Level::"high"}].contains(context.pair)',
    'context.count * 9007199254740991 > 5',
  ];
  const generated = fc.record({
    effect: fc.constantFrom('permit', 'forbid'),
    ask: fc.boolean(),
    principal: fc.constantFrom(...scopes),
    resource: fc.constantFrom(...things),
    verbs: fc.constantFrom('== Action::"use"', 'in [Action::"use", Action::"drop"]', '== Action::"drop"'),
    condition: fc.constantFrom(...conditions),
    clause: fc.constantFrom('when', 'unless'),
  });
  type Generated = typeof generated extends fc.Arbitrary<infer T> ? T : never;
  const textOf = (rules: Generated[], prefix = 'r'): string =>
    rules
      .map(({ effect, ask, principal, resource, verbs, condition, clause }, index) =>
        rule(
          `${prefix}${index}`,
          `${ask && effect === 'permit' ? '@decision("ask")\n' : ''}${effect} (${principal}, action ${verbs}, ${resource}) ${clause} { ${condition} };`,
        ),
      )
      .join('');
  // The validator refuses rules that can never apply; what is left of a generated list is tried.
  const verdicts = new Map<string, boolean>();
  const isValid = (item: Generated): boolean => {
    const text = textOf([item]);
    if (!verdicts.has(text)) verdicts.set(text, loads(text));
    return verdicts.get(text)!;
  };
  const request = fc.record({
    principal: fc.constantFrom('agent', 'ui', 'user:zoe'),
    action: fc.constantFrom('use', 'drop'),
    resource: fc.constantFrom('a', 'b', 'c'),
    context: fc.record(
      {
        count: fc.constantFrom(0, 1, 2, 5000),
        label: fc.record(
          { level: fc.constantFrom('low', 'mid', 'high'), sources: fc.constantFrom(['x'], ['y']) },
          { requiredKeys: ['level'] },
        ),
        pair: fc.record({ level: fc.constantFrom('low', 'mid', 'high'), more: fc.boolean() }),
      },
      { requiredKeys: ['count', 'label'] },
    ),
  });
  const rules = fc.array(generated, { maxLength: 8 }).map((list) => list.filter(isValid));

  it("decides like Cedar's own schema-checked entry point (prefilter and plain enums change nothing)", () => {
    fc.assert(
      fc.property(rules, fc.array(request, { minLength: 4, maxLength: 10 }), (list, requests) => {
        using domain = domainOf(textOf(list));
        for (const input of requests) {
          const [type, id] = input.principal.startsWith('user:')
            ? (['User', 'zoe'] as const)
            : (['Service', input.principal] as const);
          const answer = isAuthorized({
            principal: { type, id },
            action: { type: 'Action', id: input.action },
            resource: { type: 'Thing', id: input.resource },
            context: officialContext(input.context),
            schema: SCHEMA,
            validateRequest: true,
            policies: {
              staticPolicies: Object.fromEntries(
                textOf(list)
                  .split(/(?=@id)/)
                  .map((text, i) => [`r${i}`, text]),
              ),
            },
            entities: [],
          });
          const outcome = domain.decide(input);
          if (answer.type === 'failure' || answer.response.diagnostics.errors.length > 0) {
            expect(outcome.decision).toBe('deny');
            continue;
          }
          expect(outcome.decision !== 'deny').toBe(answer.response.decision === 'allow');
          const decidedBy = answer.response.diagnostics.reason;
          if (outcome.decision !== 'allow') expect([...outcome.policies].sort()).toEqual([...decidedBy].sort());
          else expect(decidedBy).toEqual(expect.arrayContaining(outcome.policies));
        }
      }),
      { numRuns: 40 },
    );
  });
  it("decides about paths like Cedar's own entry point, with every ancestor and attribute given", () => {
    const tests = [
      'resource in context.roots',
      'context.roots.contains(resource)',
      'resource in Path::"/a"',
      'resource in [Path::"/b", Path::"/a/b"]',
      'resource == Path::"/a/b"',
      'resource.path like "*/b/*"',
      'resource.path like "/a*b"',
      'resource.path like "*a*b*a*"',
      'resource.path like "/a/b"',
      'resource.name == "b"',
      'resource.name like "a\\*"',
      'context.roots.containsAll([Path::"/a", Path::"/b"])',
      'context.roots.isEmpty() || context.roots == [Path::"/a"]',
    ];
    const single = fc.record({
      effect: fc.constantFrom('permit', 'forbid'),
      scope: fc.constantFrom('resource', 'resource in Path::"/a/b"', 'resource is Path in Path::"/b"'),
      test: fc.constantFrom(...tests),
      negated: fc.boolean(),
    });
    const path = fc
      .array(fc.constantFrom('a', 'b', 'ab', 'a*'), { minLength: 1, maxLength: 4 })
      .map((segments) => `/${segments.join('/')}`);
    const asked = fc.record({
      resource: path,
      roots: fc.array(fc.constantFrom('/a', '/b', '/a/b', '/ab'), { maxLength: 3 }),
    });
    fc.assert(
      fc.property(
        fc.array(single, { maxLength: 6 }),
        fc.array(asked, { minLength: 1, maxLength: 8 }),
        (list, requests) => {
          const texts = list.map(({ effect, scope, test, negated }, index) =>
            rule(
              `p${index}`,
              `${effect} (principal, action == Action::"open", ${scope}) when { ${negated ? `!(${test})` : test} };`,
            ),
          );
          using domain = domainOf(texts.join(''));
          for (const { resource, roots } of requests) {
            const segments = resource.split('/').slice(1);
            const parents = segments.map((_, at) => ({ type: 'Path', id: `/${segments.slice(0, at).join('/')}` }));
            const uid = { type: 'Path', id: resource };
            const answer = isAuthorized({
              principal: { type: 'Service', id: 'agent' },
              action: { type: 'Action', id: 'open' },
              resource: uid,
              context: { roots: roots.map((id) => ({ __entity: { type: 'Path', id } })) },
              schema: SCHEMA,
              validateRequest: true,
              policies: { staticPolicies: Object.fromEntries(texts.map((text, index) => [`p${index}`, text])) },
              entities: [{ uid, attrs: { path: resource, name: segments.at(-1)! }, parents }],
            });
            if (answer.type === 'failure') throw new Error(JSON.stringify(answer.errors));
            const outcome = domain.decide({ principal: 'agent', action: 'open', resource, context: { roots } });
            expect([outcome.decision, [...outcome.policies].sort()]).toEqual([
              answer.response.decision,
              [...answer.response.diagnostics.reason].sort(),
            ]);
          }
        },
      ),
      { numRuns: 40 },
    );
  });
  it('adding permits never removes the denial of a forbid', () => {
    const wall = rule(
      'wall',
      'forbid (principal, action in [Action::"use", Action::"drop"], resource) when { context.count < 2 };',
    );
    const low = request.filter((input) => input.context.count < 2);
    fc.assert(
      fc.property(rules, low, (list, input) => {
        using domain = domainOf(wall, textOf(list.map((item) => ({ ...item, effect: 'permit' }))));
        expect(domain.decide(input).decision).toBe('deny');
      }),
      { numRuns: 40 },
    );
  });
  it('adding forbids never turns a no into a yes, nor an ask into an allow', () => {
    const rank = { deny: 0, ask: 1, allow: 2 };
    fc.assert(
      fc.property(rules, rules, request, (list, more, input) => {
        using before = domainOf(textOf(list));
        using after = domainOf(
          textOf(list),
          textOf(
            more.map((item) => ({ ...item, effect: 'forbid' })),
            'more',
          ),
        );
        expect(rank[after.decide(input).decision]).toBeLessThanOrEqual(rank[before.decide(input).decision]);
      }),
      { numRuns: 40 },
    );
  });
});

describe('digests', () => {
  it('do not depend on the order of keys and cover every byte', () => {
    const input = use();
    const shuffled = { context: { count: 1, label }, resource: 'thing', action: 'use', principal: 'agent' };
    expect(digestOf(shuffled)).toBe(digestOf(input));
    expect(digestOf(use({ context: { label, count: 2 } }))).not.toBe(digestOf(input));
    expect(digestOf({ a: 1 })).toBe('sha256:015abd7f5cc57a2dd94b7590f04ad8084273905ee33ec5cebeae62276a97f862');
  });
});
