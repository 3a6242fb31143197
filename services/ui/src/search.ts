/** How much of a text is searchable, in UTF-16 units and in bytes of words (a tsvector may have 1 MiB, positions included). */
const MAX_TEXT = 400_000;
const MAX_INDEX_BYTES = 500_000;
/** Longer words are cut (a tsvector's word may have 2046 bytes). */
const MAX_WORD = 100;
const MAX_QUERY_WORDS = 16;

/** Scripts written without spaces: each character is a word of its own, so that any part of a sentence is found. */
const UNSPACED =
  /(\p{Script=Han}|\p{Script=Hiragana}|\p{Script=Katakana}|\p{Script=Thai}|\p{Script=Lao}|\p{Script=Khmer}|\p{Script=Myanmar})/gu;

/**
 * The distinct words of a text, for `array_to_tsvector`. Words are cut here and not by PostgreSQL's parser, because that
 * one follows the database's locale (the embedded store and a server would disagree) and knows no CJK.
 */
export function searchWords(text: string): string[] {
  const words = new Set<string>();
  let bytes = 0;
  for (const word of split(text.slice(0, MAX_TEXT))) {
    if (words.has(word)) continue;
    bytes += Buffer.byteLength(word) + 8;
    if (bytes > MAX_INDEX_BYTES) break;
    words.add(word);
  }
  return [...words];
}

/** A `tsquery` that wants every word of the question at least as the beginning of a word; null when there is no word in it. */
export function searchQuery(question: string): string | null {
  const words = [...new Set(split(question))].slice(0, MAX_QUERY_WORDS);
  // Words hold letters, marks and digits only, so nothing in them needs escaping inside the quotes.
  return words.length === 0 ? null : words.map((word) => `'${word}':*`).join(' & ');
}

/** About 160 characters around the first hit, on one line; null when the question has no word in it. */
export function snippetOf(text: string, question: string): string | null {
  const words = split(question);
  if (words.length === 0) return null;
  const flat = text.slice(0, MAX_TEXT).replace(/\s+/g, ' ').trim();
  const starts = words.map((word) => (word.match(UNSPACED) ? word : `(?<![\\p{L}\\p{N}])${word}`));
  // A text that was found only in another Unicode form has no hit here, and shows its beginning.
  const hit = new RegExp(starts.join('|'), 'iu').exec(flat)?.index ?? 0;
  const from = wordStart(flat, Math.max(0, hit - 60));
  const to = Math.min(flat.length, from + 160);
  const cut = flat.slice(from, to).replace(/^[\udc00-\udfff]|[\ud800-\udbff]$/g, '');
  return `${from > 0 ? '…' : ''}${cut}${to < flat.length ? '…' : ''}`;
}

function wordStart(text: string, at: number): number {
  if (at === 0) return 0;
  const space = text.indexOf(' ', at);
  return space === -1 || space > at + 30 ? at : space + 1;
}

function split(text: string): string[] {
  return text
    .normalize('NFKC')
    .toLowerCase()
    .replace(UNSPACED, ' $1 ')
    .split(/[^\p{L}\p{N}\p{M}]+/u)
    .filter((word) => word !== '')
    .map((word) => [...word].slice(0, MAX_WORD).join(''));
}
