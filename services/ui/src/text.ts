/** Text that PostgreSQL can keep: no NUL, no half surrogate pairs. Both become U+FFFD, as broken UTF-8 does. */
export function storable(text: string): string {
  return text.toWellFormed().replaceAll('\u0000', '\ufffd');
}
