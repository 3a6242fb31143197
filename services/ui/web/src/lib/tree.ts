import type { ChatMessage } from '@secai/contracts';

/** Messages that answer or replace each other: same parent, oldest first. */
export function siblingsOf(messages: readonly ChatMessage[], message: ChatMessage): ChatMessage[] {
  return messages.filter((other) => other.parent_id === message.parent_id && other.role === message.role).sort(byAge);
}

/**
 * The branch on show, oldest message first: from `headId` up to its root. Without a known head it is the newest leaf's
 * branch. A missing parent or a loop ends the walk, so broken data shows less rather than nothing.
 */
export function branchTo(messages: readonly ChatMessage[], headId: string | null): ChatMessage[] {
  const byId = new Map(messages.map((message) => [message.id, message]));
  let current = (headId === null ? undefined : byId.get(headId)) ?? newestOf(messages);
  const branch: ChatMessage[] = [];
  const seen = new Set<string>();
  while (current && !seen.has(current.id)) {
    seen.add(current.id);
    branch.push(current);
    current = current.parent_id === null ? undefined : byId.get(current.parent_id);
  }
  return branch.reverse();
}

/** Where a branch through `id` ends when the newest child is taken at each step. */
export function newestLeafBelow(messages: readonly ChatMessage[], id: string): string {
  const seen = new Set<string>();
  let current = id;
  while (!seen.has(current)) {
    seen.add(current);
    const next = newestOf(messages.filter((message) => message.parent_id === current && !seen.has(message.id)));
    if (!next) break;
    current = next.id;
  }
  return current;
}

function newestOf(messages: readonly ChatMessage[]): ChatMessage | undefined {
  return [...messages].sort(byAge).at(-1);
}

function byAge(a: ChatMessage, b: ChatMessage): number {
  return a.created_at < b.created_at ? -1 : a.created_at > b.created_at ? 1 : a.id < b.id ? -1 : 1;
}
