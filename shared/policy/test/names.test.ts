import { hostFault, nameFault, pathFault } from '@secai/policy';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ancestorsOf, readDestination } from '../src/names.ts';

describe('paths', () => {
  it.each([
    ['a/b', 'absolute'],
    ['', 'absolute'],
    ['../etc/shadow', 'absolute'],
    ['/a/../b', '".."'],
    ['/a/..', '".."'],
    ['/a/./b', '"."'],
    ['/a//b', 'empty segment'],
    ['/a/', 'ends with "/"'],
    ['/a\\b', 'backslash'],
    ['/a\0b', 'control'],
    ['/a\nb', 'control'],
    ['/\ud800', 'Unicode'],
    [`/${'a/'.repeat(200)}b`, 'segments'],
  ])('refuses %j', (path, why) => {
    expect(pathFault(path)).toContain(why);
  });

  it('accepts canonical paths, dots and percent signs in names included', () => {
    for (const path of ['/', '/a', '/a/b.txt', '/a/..b', '/a/...', '/a/%2e%2e', '/ä/ж'])
      expect(pathFault(path)).toBeUndefined();
  });

  it('lists whole folders above a path, never a sibling', () => {
    const segment = fc.stringMatching(/^[a-c.]{1,3}$/).filter((text) => text !== '.' && text !== '..');
    fc.assert(
      fc.property(fc.array(segment, { minLength: 1, maxLength: 5 }), (segments) => {
        const path = `/${segments.join('/')}`;
        const above = ancestorsOf(path);
        expect(above).toHaveLength(segments.length);
        for (const folder of above) expect(folder === '/' || path.startsWith(`${folder}/`)).toBe(true);
      }),
    );
  });
});

describe('names', () => {
  it.each(['', 'a\nb', 'a\0', 'a\u202eb', 'a\u200bb', 'a\u{e0041}b', '\ud800'])('refuses %j', (name) => {
    expect(nameFault(name)).toBeDefined();
  });
  it('accepts ordinary text', () => {
    for (const name of ['files.read', "'; DROP TABLE tools; --", 'Zoë', '模型'])
      expect(nameFault(name)).toBeUndefined();
  });
});

describe('destinations', () => {
  const covered = (url: string): string[] => {
    const destination = readDestination(url);
    if (typeof destination === 'string') throw new Error(destination);
    return destination.coveredBy;
  };

  it('is covered by its host, its parent wildcards and both with the port', () => {
    expect(covered('https://a.b.example/x')).toEqual([
      'a.b.example',
      'a.b.example:443',
      '*.b.example',
      '*.b.example:443',
      '*.example',
      '*.example:443',
    ]);
  });
  it('needs the port in the entry when it is not the usual one', () => {
    expect(covered('https://b.example:8443/')).toEqual(['b.example:8443', '*.example:8443']);
  });
  it.each([
    'https://evil-hub.example.attacker.example/',
    'https://hub.example.attacker.example/',
    'https://xhub.example/',
    'https://hub.example:444/',
    'https://hub.exampl%65.attacker.example/',
  ])('look-alike %s is not covered by hub.example', (url) => {
    expect(covered(url)).not.toContain('hub.example');
    expect(covered(url)).not.toContain('*.hub.example');
  });
  it.each([
    ['ftp://a.example/', 'http'],
    ['HTTPS://a.example/', 'lower-case'],
    ['https:a.example', 'http'],
    ['https://u:p@a.example/', 'password'],
    ['https://hub.example@evil.example/', 'user name'],
    ['https://a.example./', 'dot'],
    ['https://a.example\\@b.example/', 'backslash'],
    ['https://a.ex\tample/', 'control'],
    ['https://a b/', 'space'],
    ['https:///a', 'http'],
    ['https://[::1', 'valid'],
    ['/etc/passwd', 'http'],
  ])('refuses %j', (url, why) => {
    expect(readDestination(url)).toContain(why);
  });
  it.each(['https://127.0.0.1/', 'https://0x7f.1/', 'https://2130706433/', 'https://[::1]/', 'https://0177.0.0.1/'])(
    'knows %s for an address',
    (url) => {
      expect(readDestination(url)).toMatchObject({ ipLiteral: true });
    },
  );
  it.each(['https://localhost/', 'https://printer.local/', 'https://metadata.google.internal/', 'https://nas/'])(
    'knows %s for a local name',
    (url) => {
      expect(readDestination(url)).toMatchObject({ localName: true });
    },
  );
});

describe('allowlist entries', () => {
  it('accepts hosts, wildcards and ports', () => {
    for (const host of ['a.example', '*.a.example', 'a.example:8443', 'xn--bcher-kva.example'])
      expect(hostFault(host)).toBeUndefined();
  });
  it.each(['*', '', 'A.example', 'https://a.example', 'a.example/', 'a.*.example', 'a..example', '.a', 'a.example:0'])(
    'refuses %j',
    (host) => {
      expect(hostFault(host)).toBeDefined();
    },
  );
});
