import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { attachment, exportMarkdown } from '../src/export.ts';
import { searchQuery, searchWords, snippetOf } from '../src/search.ts';
import { titleFrom, UNTITLED } from '../src/title.ts';

describe('search words', () => {
  it('are the same whatever case, form and punctuation', () => {
    expect(searchWords('Foo-bar, "foo"  (BAR)')).toEqual(['foo', 'bar']);
    expect(searchWords('cafe\u0301')).toEqual(searchWords('CAFÉ'));
    expect(searchWords('東京タワー')).toEqual(['東', '京', 'タ', 'ワ', 'ー']);
  });

  it('fit into a tsvector and a tsquery, whatever the text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 300 }), (text) => {
        const words = searchWords(text);
        for (const word of words) expect(word).toMatch(/^[\p{L}\p{N}\p{M}]{1,200}$/u);
        expect(new Set(words).size).toBe(words.length);
        expect(searchQuery(text) ?? "'a':*").toMatch(/^'[\p{L}\p{N}\p{M}]+':\*( & '[\p{L}\p{N}\p{M}]+':\*)*$/u);
      }),
    );
  });

  it('are bounded', () => {
    const many = Array.from({ length: 100_000 }, (_, i) => `word${i}`).join(' ');
    expect(Buffer.byteLength(searchWords(many).join(' '))).toBeLessThan(500_000);
    expect(searchWords('x'.repeat(5000))[0]).toHaveLength(100);
  });
});

describe('snippets', () => {
  it('show the first hit with its surroundings on one line', () => {
    const text = `${'before '.repeat(50)}the\n\n**needle** in the hay ${'after '.repeat(50)}`;
    const snippet = snippetOf(text, 'Needle')!;
    expect(snippet).toContain('the **needle** in the hay');
    expect(snippet.length).toBeLessThan(170);
    expect(snippet).toMatch(/^….*…$/);
    expect(snippetOf('subneedle and needles', 'needle')).toBe('subneedle and needles');
  });

  it('are well-formed text, whatever the text', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'grapheme', maxLength: 400 }),
        fc.string({ unit: 'grapheme', minLength: 1 }),
        (text, q) => {
          expect(snippetOf(text, q)?.isWellFormed() ?? true).toBe(true);
        },
      ),
    );
  });
});

describe('titles', () => {
  it.each([
    ['How do I bake bread?', 'How do I bake bread?'],
    ['# Heading\nmore', 'Heading'],
    ['\n\n```js\nconst x = 1\n```', 'js'],
    ['> **quoted** `text`', 'quoted text'],
    ['***', UNTITLED],
    [`${'long words '.repeat(20)}`, 'long words long words long words long words long words long…'],
    ['👍', UNTITLED],
  ])('of %j', (message, title) => expect(titleFrom(message)).toBe(title));

  it('are short, single lines', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 500 }), (message) => {
        const title = titleFrom(message);
        expect([...title].length).toBeLessThanOrEqual(61);
        expect(title).toMatch(/^[^\p{C}]+$/u);
      }),
    );
  });
});

describe('export', () => {
  it('names the file so that no system stumbles', () => {
    expect(attachment('Plan: "A/B" ünd 東京')).toBe(
      `attachment; filename="Plan A B und .md"; filename*=UTF-8''Plan%20A%20B%20%C3%BCnd%20%E6%9D%B1%E4%BA%AC.md`,
    );
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 200 }), (title) => {
        expect(attachment(title)).toMatch(
          /^attachment; filename="[\x20-\x21\x23-\x5b\x5d-\x7e]+"; filename\*=UTF-8''[A-Za-z0-9!#$&+.^_`|~%-]+$/,
        );
      }),
    );
  });

  it('writes question and answer as they are', () => {
    const base = { id: '1', title: 'T', model: null, created_at: '', updated_at: '', pinned: false, head_id: null };
    const message = { id: '1', parent_id: null, stats: null, created_at: '2026-03-01T12:00:00.000Z' };
    const text = exportMarkdown({ ...base, system_prompt: 'Be\nbrief', messages: [] }, [
      { ...message, role: 'user', content: 'Hi', state: 'complete', model: null },
      { ...message, role: 'assistant', content: '**Hello**', state: 'stopped', model: 'tiny' },
    ]);
    expect(text).toBe(
      '# T\n\n> Be\n> brief\n\n## You\n\n_2026-03-01T12:00:00.000Z_\n\nHi\n\n## tiny (stopped)\n\n_2026-03-01T12:00:00.000Z_\n\n**Hello**\n',
    );
  });
});
