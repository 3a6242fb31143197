import type { ChatSummary } from '@secai/contracts';

export type ChatGroup<T> = { label: 'Pinned' | 'Today' | 'Yesterday' | 'Last 7 days' | 'Earlier'; chats: T[] };

/** Chats in reading order for the sidebar, by the local calendar day of their last change. Empty groups are left out. */
export function groupChats<T extends Pick<ChatSummary, 'pinned' | 'updated_at'>>(
  chats: readonly T[],
  now: Date,
): ChatGroup<T>[] {
  const midnight = new Date(now.getFullYear(), now.getMonth(), now.getDate());
  const daysBefore = (days: number): number =>
    new Date(midnight.getFullYear(), midnight.getMonth(), midnight.getDate() - days).getTime();
  const today = midnight.getTime();
  const yesterday = daysBefore(1);
  const week = daysBefore(7);
  const groups: ChatGroup<T>[] = [
    { label: 'Pinned', chats: [] },
    { label: 'Today', chats: [] },
    { label: 'Yesterday', chats: [] },
    { label: 'Last 7 days', chats: [] },
    { label: 'Earlier', chats: [] },
  ];
  const sorted = [...chats].sort((a, b) => Date.parse(b.updated_at) - Date.parse(a.updated_at));
  for (const chat of sorted) {
    const at = Date.parse(chat.updated_at);
    const index = chat.pinned ? 0 : at >= today ? 1 : at >= yesterday ? 2 : at >= week ? 3 : 4;
    groups[index]?.chats.push(chat);
  }
  return groups.filter((group) => group.chats.length > 0);
}

/** `just now`, `5 minutes ago`, `yesterday`, then a date. */
export function ago(timestamp: string, now: Date): string {
  const at = new Date(timestamp);
  const seconds = Math.max(0, (now.getTime() - at.getTime()) / 1000);
  if (seconds < 45) return 'just now';
  if (seconds < 3600) return plural(Math.max(1, Math.floor(seconds / 60)), 'minute');
  if (seconds < 86_400) return plural(Math.floor(seconds / 3600), 'hour');
  if (seconds < 7 * 86_400) return plural(Math.floor(seconds / 86_400), 'day');
  return at.toLocaleDateString('en', { day: 'numeric', month: 'short', year: 'numeric' });
}

function plural(count: number, unit: string): string {
  return `${count} ${unit}${count === 1 ? '' : 's'} ago`;
}
