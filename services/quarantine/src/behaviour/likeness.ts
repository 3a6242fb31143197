/** What is left of an answer when spelling does not count. */
export function normal(text: string): string {
  return text
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]+/gu, ' ')
    .trim();
}

/**
 * Whether an addition took over: two unrelated questions get one answer with it, and different ones without. Words of the
 * addition itself do not count, for a puzzled model quotes what it did not understand.
 */
export function takesOver(
  addition: string,
  [a, b]: readonly [string, string],
  plain: readonly [string, string],
): boolean {
  const words = new Set(normal(addition).split(' '));
  const rest = (text: string): string =>
    normal(text)
      .split(' ')
      .filter((word) => !words.has(word))
      .join(' ');
  return normal(a) !== '' && rest(a) === rest(b) && normal(plain[0]) !== normal(plain[1]);
}
