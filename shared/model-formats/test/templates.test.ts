import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkChatTemplate } from '../src/index.ts';
import { HOSTILE_TEMPLATES, ORDINARY_TEMPLATES } from '../src/testing/index.ts';

describe('chat templates', () => {
  it.each(Object.entries(ORDINARY_TEMPLATES))('lets the template of %s through', (_family, template) => {
    expect(checkChatTemplate(template)).toEqual([]);
  });

  it.each(HOSTILE_TEMPLATES.map((template) => [template.slice(0, 90), template]))('refuses %s', (_shown, template) => {
    expect(checkChatTemplate(template)).not.toEqual([]);
  });

  it('names the attribute that is reached', () => {
    expect(checkChatTemplate("{{ x|attr('__cla' ~ 'ss__') }}")).toEqual([
      { rule: 'TPL-001', message: 'the chat template is refused: the filter attr looks up the attribute __class__' },
    ]);
  });

  it('keeps the reasons apart', () => {
    const ruleOf = (template: string): string | undefined => checkChatTemplate(template)[0]?.rule;
    expect(ruleOf("{% include 'x' %}")).toBe('TPL-002');
    expect(ruleOf("{{ x[a ~ 'b'] }}")).toBe('TPL-003');
    expect(ruleOf('{{ cycler.next }}')).toBe('TPL-004');
    expect(ruleOf('{% for i in range(10**9) %}{% endfor %}')).toBe('TPL-005');
    expect(ruleOf('{% if %}')).toBe('TPL-006');
    expect(ruleOf('a'.repeat(300_000))).toBe('TPL-007');
    expect(ruleOf(`{{ ${'('.repeat(30_000)}1${')'.repeat(30_000)} }}`)).toBe('TPL-008');
    expect(ruleOf("{{ '{0.a}'.format(x) }}")).toBe('TPL-009');
    expect(ruleOf('{{ os.system() }}')).toBe('TPL-010');
  });

  it('refuses every way of cutting __class__ into constant pieces', () => {
    const pieces = fc.array(fc.integer({ min: 1, max: 8 }), { maxLength: 5 }).map((cuts) => {
      const at = [...new Set(cuts)].sort((a, b) => a - b);
      return [0, ...at].map((start, i) => `'${'__class__'.slice(start, at[i] ?? 9)}'`);
    });
    const joined = fc.tuple(pieces, fc.constantFrom(' ~ ', ' + ')).map(([parts, operator]) => parts.join(operator));
    const reach = fc.constantFrom<(name: string) => string>(
      (name) => `{{ x[${name}] }}`,
      (name) => `{{ x|attr(${name}) }}`,
      (name) => `{% set n = ${name} %}{{ x[n] }}`,
      (name) => `{% set ns = namespace(n=${name}) %}{{ x[ns.n] }}`,
      (name) => `{% for n in [${name}] %}{{ x[n] }}{% endfor %}`,
      (name) => `{% macro f(n) %}{{ x|attr(n) }}{% endmacro %}{{ f(${name}) }}`,
      (name) => `{{ x|map(attribute=${name})|list }}`,
    );
    fc.assert(fc.property(joined, reach, (name, use) => checkChatTemplate(use(name)).length > 0));
  });

  it('never throws and answers quickly on any text made of template parts', () => {
    const part = fc.constantFrom(
      '{{',
      '}}',
      '{%',
      '%}',
      '{#',
      '#}',
      ' x ',
      '.',
      '|',
      '[',
      ']',
      '(',
      ')',
      "'",
      '__',
      '~',
      ' for ',
      ' in ',
      ' if ',
      ' set ',
      '=',
      '\n',
      ' ',
      '0',
      'endif',
      'endfor',
    );
    const text = fc.array(part, { maxLength: 200 }).map((parts) => parts.join(''));
    fc.assert(
      fc.property(text, (template) => {
        const start = performance.now();
        checkChatTemplate(template);
        return performance.now() - start < 1000;
      }),
      { numRuns: 500 },
    );
  });

  it('does not blow up on assignments that refer to each other many times', () => {
    const chain = Array.from({ length: 200 }, (_, i) => `{% set v${i + 1} = v${i} ~ v${i} %}`).join('');
    const start = performance.now();
    checkChatTemplate(`{% set v0 = '' %}${chain}{{ x[v200] }}`);
    expect(performance.now() - start).toBeLessThan(1000);
  });

  it('judges a large template in a second', () => {
    const line = "{% if a.b == 'c' %}{{ a['d'] + 'e' }}{% endif %}\n";
    const start = performance.now();
    expect(checkChatTemplate(line.repeat(5000))).toEqual([]);
    expect(performance.now() - start).toBeLessThan(2000);
  });
});
