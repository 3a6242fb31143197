const MAX_TITLE = 60;

/** Title of a chat before its first message. */
export const UNTITLED = 'New chat';

/** A title from the first message: its first line of words without Markdown signs, cut at a word. */
export function titleFrom(message: string): string {
  const line =
    message
      .slice(0, 2000)
      .toWellFormed()
      .split(/[\r\n]+/)
      .map((candidate) =>
        candidate
          .replace(/^[\s>#*+-]+|[`*_~]+/g, ' ')
          .replace(/[\p{C}\s]+/gu, ' ')
          .trim(),
      )
      .find((candidate) => /[\p{L}\p{N}]/u.test(candidate)) ?? '';
  const characters = [...line];
  if (characters.length === 0) return UNTITLED;
  if (characters.length <= MAX_TITLE) return line;
  const cut = characters.slice(0, MAX_TITLE).join('');
  const space = cut.lastIndexOf(' ');
  return `${space > MAX_TITLE / 2 ? cut.slice(0, space) : cut}…`;
}
