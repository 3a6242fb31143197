import { loadDomain, PolicyError, type PolicyProblem } from '@secai/policy';
import { describe, expect, it } from 'vitest';
import { PreparedSet } from '../src/cedar.ts';
import { domainOf, rule, SCHEMA } from './support.ts';

function problemsOf(load: () => unknown): readonly PolicyProblem[] {
  try {
    load();
  } catch (error) {
    if (error instanceof PolicyError) return error.problems;
    throw error;
  }
  throw new Error('it loaded');
}

const good = rule('good', 'permit (principal, action == Action::"use", resource) when { context.count == 1 };');

describe('a policy text is refused and the place is named', () => {
  it('for an attribute that the schema does not have', () => {
    const bad = rule('bad', 'permit (principal, action == Action::"use", resource)\nwhen { context.cuont == 1 };');
    expect(problemsOf(() => domainOf(`// é\n${good}${bad}`))).toEqual([
      {
        file: 'sample.cedar',
        line: 8,
        column: 8,
        policy: 'bad',
        message: expect.stringContaining('cuont'),
      },
    ]);
  });
  it('for an optional attribute that is used without asking whether it is there', () => {
    const bad = rule('bad', 'permit (principal, action == Action::"use", resource) when { context.flag };');
    expect(problemsOf(() => domainOf(bad))[0]).toMatchObject({ line: 3, policy: 'bad' });
  });
  it('for a value that the enum does not have', () => {
    const bad = rule(
      'bad',
      'forbid (principal, action == Action::"drop", resource) when { context.label.level == Level::"lwo" };',
    );
    expect(problemsOf(() => domainOf(bad))[0]?.message).toContain('"low", "mid", "high"');
  });
  it('for a comparison of different types', () => {
    const bad = rule('bad', 'permit (principal, action == Action::"use", resource) when { context.count == "1" };');
    expect(problemsOf(() => domainOf(bad))[0]).toMatchObject({ line: 3, policy: 'bad' });
  });
  it('for an unknown action', () => {
    const bad = rule('bad', 'permit (principal, action == Action::"ues", resource);');
    expect(problemsOf(() => domainOf(bad))[0]?.message).toContain('ues');
  });
  it('for a rule that can never apply, which Cedar only warns about', () => {
    const bad = rule('bad', 'permit (principal, action == Action::"use", resource) when { false };');
    expect(problemsOf(() => domainOf(bad))[0]).toMatchObject({ policy: 'bad' });
  });
  it('for characters that change the direction of the text', () => {
    const bad = rule('bad', 'permit (principal == Service::"a\u202eb", action == Action::"use", resource);');
    expect(problemsOf(() => domainOf(bad))).not.toHaveLength(0);
  });
  it('for a syntax error, in the file of the overlay', () => {
    const [problem] = problemsOf(() => domainOf(good, '\n\npermit (principal, action resource);'));
    expect(problem).toMatchObject({ file: 'overlay1.cedar', line: 3 });
  });
  it('for a missing id, a missing or blank reason, an ill-formed id', () => {
    const scope = 'permit (principal, action == Action::"flow", resource);';
    expect(problemsOf(() => domainOf(scope)).map((problem) => problem.message)).toEqual([
      'every rule needs an @id("…")',
      'every rule needs a @reason("…") that a person can read',
    ]);
    expect(problemsOf(() => domainOf(rule('x', scope, ' ')))[0]?.message).toContain('@reason');
    expect(problemsOf(() => domainOf(rule('Not Good', scope)))[0]?.message).toContain('lower-case');
  });
  it('for an id used twice, also across files', () => {
    expect(problemsOf(() => domainOf(good, good))).toEqual([
      { file: 'overlay1.cedar', policy: 'good', message: 'the id is already used in sample.cedar; choose another' },
    ]);
  });
  it('for a misspelt or misplaced @decision, which would turn "ask" into "allow"', () => {
    const permit = 'permit (principal, action == Action::"flow", resource);';
    const forbid = 'forbid (principal, action == Action::"flow", resource);';
    expect(problemsOf(() => domainOf(rule('a', `@desicion("ask")\n${permit}`)))[0]?.message).toContain('@desicion');
    expect(problemsOf(() => domainOf(rule('a', `@decision("aks")\n${permit}`)))[0]?.message).toContain(
      'only @decision',
    );
    expect(problemsOf(() => domainOf(rule('a', `@decision\n${permit}`)))[0]?.message).toContain('only @decision');
    expect(problemsOf(() => domainOf(rule('a', `@decision("ask")\n${forbid}`)))[0]?.message).toContain('permit');
  });
  it('for "in" and "is" on an enum', () => {
    const body = (test: string): string => `permit (principal, action == Action::"drop", resource) when { ${test} };`;
    const bad = rule('bad', body('context.label.level in Level::"low"'));
    expect(problemsOf(() => domainOf(bad))[0]).toMatchObject({ line: 1, policy: 'bad' });
  });
  it('for templates', () => {
    const bad = rule('bad', 'permit (principal == ?principal, action, resource);');
    expect(
      problemsOf(() => domainOf(bad))
        .map((problem) => problem.message)
        .join(),
    ).toContain('template');
  });
  it('and every problem is reported at once, in the order of the text, with the right name among many rules', () => {
    const many = Array.from({ length: 23 }, (_, index) =>
      rule(
        `r${index}`,
        `permit (principal, action == Action::"use", resource) when { context.${index % 11 === 10 ? 'wrong' : 'count'} == ${index} };`,
      ),
    ).join('');
    const found = problemsOf(() => domainOf(many)).map((problem) => [problem.policy, problem.line]);
    expect(found.sort()).toEqual([
      ['r10', 33],
      ['r21', 66],
    ]);
  });
});

describe('a schema is refused and the place is named', () => {
  const load = (text: string): unknown =>
    loadDomain({ domain: 'x', schema: { file: 'x.cedarschema', text }, policies: [] });
  it.each([
    ['a syntax error', `${SCHEMA}\nentity 3;`, { file: 'x.cedarschema', line: SCHEMA.split('\n').length + 1 }],
    [
      'an undeclared type',
      'entity Service; action "a" appliesTo { principal: Service, resource: Nope };',
      { file: 'x.cedarschema' },
    ],
    ['no action', 'entity Service;', { message: 'the schema declares no action' }],
    [
      'another principal type',
      'entity Robot; entity T; action "a" appliesTo { principal: Robot, resource: T };',
      { message: expect.stringContaining('Robot') },
    ],
    [
      'an extension type in the context',
      'entity Service; entity T; action "a" appliesTo { principal: Service, resource: T, context: { at: datetime } };',
      { message: expect.stringContaining('datetime') },
    ],
    [
      'an entity in the context that no string can name',
      'entity Service; entity T; action "a" appliesTo { principal: Service, resource: T, context: { who: Service } };',
      { message: expect.stringContaining('Service') },
    ],
    [
      'a namespace',
      'namespace N { entity Service; entity T; action "a" appliesTo { principal: Service, resource: T }; }',
      { message: expect.stringContaining('namespace') },
    ],
  ])('%s', (_name, text, expected) => {
    expect(problemsOf(() => load(text))[0]).toMatchObject(expected);
  });
});

describe('a loaded domain', () => {
  it('lists its rules and names itself by a digest that changes with any text', () => {
    const ask = rule('ask', '@decision("ask")\npermit (principal, action == Action::"flow", resource);');
    const domain = domainOf(good, ask);
    expect(domain.rules).toEqual([
      { id: 'good', file: 'sample.cedar', effect: 'permit', ask: false, reason: 'Because of good.' },
      { id: 'ask', file: 'overlay1.cedar', effect: 'permit', ask: true, reason: 'Because of ask.' },
    ]);
    expect(domainOf(good, ask).digest).toBe(domain.digest);
    expect(domainOf(good, `${ask} `).digest).not.toBe(domain.digest);
    expect(domain.digest).toMatch(/^sha256:[0-9a-f]{64}$/);
  });
  it('gives its prepared policies back and answers no from then on', () => {
    const domain = domainOf(rule('all', 'permit (principal, action, resource);'));
    const input = { principal: 'agent', action: 'flow', resource: 'near', context: {} };
    expect(domain.decide(input).decision).toBe('allow');
    domain[Symbol.dispose]();
    expect(domain.decide(input).decision).toBe('deny');
    const first = new PreparedSet({});
    first.dispose();
    const second = new PreparedSet({});
    expect(second.slot).toBe(first.slot);
    second.dispose();
  });
});
