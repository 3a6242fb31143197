import type { ReactNode } from 'react';

/** Text with the words of a search marked. */
export function Marked(props: { text: string; query: string }): ReactNode {
  const words = props.query
    .trim()
    .split(/\s+/)
    .filter((word) => word !== '')
    .map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  if (words.length === 0) return props.text;
  const parts = props.text.split(new RegExp(`(${words.join('|')})`, 'gi'));
  // biome-ignore lint/suspicious/noArrayIndexKey: parts of one text have no identity beyond their place
  return parts.map((part, index) => (index % 2 === 1 ? <mark key={index}>{part}</mark> : part));
}
