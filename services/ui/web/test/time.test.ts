import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ago, groupChats } from '../src/lib/time.ts';

const now = new Date(2026, 2, 15, 10, 30);
const chat = (title: string, at: Date, pinned = false) => ({ title, updated_at: at.toISOString(), pinned });

test('chats are grouped by the local day, newest first, pinned ones apart', () => {
  const groups = groupChats(
    [
      chat('long ago', new Date(2025, 0, 1)),
      chat('this morning', new Date(2026, 2, 15, 0, 0, 1)),
      chat('last evening', new Date(2026, 2, 14, 23, 59, 59)),
      chat('just now', new Date(2026, 2, 15, 10, 29)),
      chat('six days ago', new Date(2026, 2, 9, 12)),
      chat('old but pinned', new Date(2025, 0, 1), true),
    ],
    now,
  );
  expect(groups.map((group) => [group.label, group.chats.map((one) => one.title)])).toEqual([
    ['Pinned', ['old but pinned']],
    ['Today', ['just now', 'this morning']],
    ['Yesterday', ['last evening']],
    ['Last 7 days', ['six days ago']],
    ['Earlier', ['long ago']],
  ]);
});

test('yesterday is a calendar day, also across a month and the change of clocks', () => {
  expect(groupChats([chat('x', new Date(2026, 1, 28, 0, 5))], new Date(2026, 2, 1, 0, 1))[0]?.label).toBe('Yesterday');
  expect(groupChats([chat('x', new Date(2026, 2, 28, 23, 30))], new Date(2026, 2, 29, 12, 0))[0]?.label).toBe(
    'Yesterday',
  );
});

test('every chat is in exactly one group', () => {
  const anyChat = fc.record({
    pinned: fc.boolean(),
    updated_at: fc
      .date({ noInvalidDate: true, min: new Date(2000, 0), max: new Date(2040, 0) })
      .map((at) => at.toISOString()),
  });
  fc.assert(
    fc.property(fc.array(anyChat), (chats) => {
      const grouped = groupChats(chats, now).flatMap((group) => group.chats);
      expect(new Set(grouped)).toEqual(new Set(chats));
      expect(grouped).toHaveLength(chats.length);
    }),
  );
});

test('times are told as a person would', () => {
  const before = (seconds: number): string => ago(new Date(now.getTime() - seconds * 1000).toISOString(), now);
  expect(before(3)).toBe('just now');
  expect(before(-60)).toBe('just now');
  expect(before(50)).toBe('1 minute ago');
  expect(before(7 * 60)).toBe('7 minutes ago');
  expect(before(3600)).toBe('1 hour ago');
  expect(before(2 * 86_400)).toBe('2 days ago');
  expect(before(30 * 86_400)).toBe('Feb 13, 2026');
});
