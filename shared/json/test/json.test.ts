import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canonicalize, parseStrict, StrictJsonError } from '../src/index.ts';

function codeOf(input: string | Uint8Array): string {
  try {
    parseStrict(input);
  } catch (error) {
    expect(error).toBeInstanceOf(StrictJsonError);
    return (error as StrictJsonError).code;
  }
  return 'accepted';
}

describe('parseStrict', () => {
  it('agrees with JSON.parse on every value without duplicate keys', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 6 }), fc.constantFrom(0, 2), (value, indent) => {
        const text = JSON.stringify(value, null, indent);
        expect(parseStrict(text)).toEqual(JSON.parse(text));
        expect(parseStrict(Buffer.from(text))).toEqual(JSON.parse(text));
      }),
    );
  });

  it('never accepts what JSON.parse refuses', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...'{}[]",:\\ 01ea\n'), maxLength: 12 }), (text) => {
        let plain = true;
        try {
          JSON.parse(text);
        } catch {
          plain = false;
        }
        if (!plain) expect(codeOf(text)).not.toBe('accepted');
      }),
      { numRuns: 3000 },
    );
  });

  it.each([
    ['{"a":1,"a":2}', 'duplicate_key'],
    ['{"a":1,"\\u0061":2}', 'duplicate_key'],
    ['{"a":[{"b":1,"c":{},"b":2}]}', 'duplicate_key'],
    ['{"a":{"x":1},"b":{"x":1}}', 'accepted'],
    ['["a","a",{"a":"a"}]', 'accepted'],
    ['{"a":1} x', 'syntax'],
    ['{"a":1}{', 'syntax'],
    ['', 'syntax'],
    ['\uFEFF{}', 'syntax'],
    [`${'['.repeat(65)}${']'.repeat(65)}`, 'too_deep'],
    [`${'['.repeat(64)}${']'.repeat(64)}`, 'accepted'],
  ])('%s: %s', (text, code) => {
    expect(codeOf(text)).toBe(code);
  });

  it('refuses bytes that are not UTF-8 and a byte order mark', () => {
    expect(codeOf(Uint8Array.of(0x22, 0xff, 0x22))).toBe('encoding');
    expect(codeOf(Uint8Array.of(0xef, 0xbb, 0xbf, 0x31))).toBe('syntax');
  });

  it('keeps __proto__ an ordinary key', () => {
    const value = parseStrict('{"__proto__":{"admin":true}}') as Record<string, unknown>;
    expect(Object.keys(value)).toEqual(['__proto__']);
    expect(value['admin']).toBeUndefined();
  });
});

describe('canonicalize', () => {
  it('does not depend on key order and round-trips', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (object) => {
        const reversed = Object.fromEntries(Object.entries(object).reverse());
        const text = canonicalize(JSON.parse(JSON.stringify(object)));
        expect(canonicalize(JSON.parse(JSON.stringify(reversed)))).toBe(text);
        expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(object)));
      }),
    );
  });

  // The example of RFC 8785 section 3.2.2 (numbers, literals) and 3.2.3 (key order).
  it('follows RFC 8785', () => {
    expect(
      canonicalize({
        numbers: [333333333.3333333, 1e30, 4.5, 2e-3, 0.000000000000000000000000001],
        literals: [null, true, false],
      }),
    ).toBe('{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27]}');
    expect(Object.keys(JSON.parse(canonicalize({ '€': 1, '\r': 2, '1': 3, '😀': 4, ö: 5 })))).toEqual([
      '1',
      '\r',
      'ö',
      '€',
      '😀',
    ]);
    expect(() => canonicalize([Number.NaN])).toThrow(TypeError);
    expect(() => canonicalize({ at: new Date(0) })).toThrow('a Date has no JSON form');
    expect(() => canonicalize('\ud800')).toThrow(TypeError);
  });
});
