import type { ChatMessage } from '@secai/contracts';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { branchTo, newestLeafBelow, siblingsOf } from '../src/lib/tree.ts';

function message(id: string, parent: string | null, age: number, role: ChatMessage['role'] = 'user'): ChatMessage {
  const created_at = new Date(1_700_000_000_000 + age * 1000).toISOString();
  return { id, parent_id: parent, role, content: id, state: 'complete', model: null, stats: null, created_at };
}

const q1 = message('q1', null, 1);
const a1 = message('a1', 'q1', 2, 'assistant');
const a1b = message('a1b', 'q1', 3, 'assistant');
const q2 = message('q2', 'a1', 4);
const a2 = message('a2', 'q2', 5, 'assistant');
const q2b = message('q2b', 'a1', 6);
const all = [a2, q2b, q1, a1b, q2, a1];
const ids = (messages: readonly ChatMessage[]): string[] => messages.map((one) => one.id);

test('the branch on show runs from the root to the head', () => {
  expect(ids(branchTo(all, 'a2'))).toEqual(['q1', 'a1', 'q2', 'a2']);
  expect(ids(branchTo(all, 'a1b'))).toEqual(['q1', 'a1b']);
  expect(ids(branchTo(all, 'q2b'))).toEqual(['q1', 'a1', 'q2b']);
});

test('an unknown or missing head shows the newest message and its branch', () => {
  expect(ids(branchTo(all, null))).toEqual(['q1', 'a1', 'q2b']);
  expect(ids(branchTo(all, 'gone'))).toEqual(['q1', 'a1', 'q2b']);
  expect(branchTo([], null)).toEqual([]);
});

test('versions are the messages beside one, oldest first', () => {
  expect(ids(siblingsOf(all, a1b))).toEqual(['a1', 'a1b']);
  expect(ids(siblingsOf(all, q2))).toEqual(['q2', 'q2b']);
  expect(ids(siblingsOf(all, q1))).toEqual(['q1']);
});

test('switching to a version goes to the newest messages below it', () => {
  expect(newestLeafBelow(all, 'q1')).toBe('a1b');
  expect(newestLeafBelow(all, 'a1')).toBe('q2b');
  expect(newestLeafBelow(all, 'q2')).toBe('a2');
  expect(newestLeafBelow(all, 'a1b')).toBe('a1b');
});

test('any data, loops and missing parents included, ends in a branch without repeats', () => {
  const name = fc.constantFrom('a', 'b', 'c', 'd', 'e');
  const anyMessage = fc
    .tuple(name, fc.option(fc.oneof(name, fc.constant('missing'))), fc.nat(9))
    .map(([id, parent, age]) => message(id, parent, age));
  fc.assert(
    fc.property(fc.uniqueArray(anyMessage, { selector: (one) => one.id }), fc.option(name), (messages, head) => {
      const branch = branchTo(messages, head);
      expect(new Set(ids(branch)).size).toBe(branch.length);
      expect(branch.length === 0).toBe(messages.length === 0);
      for (const [index, one] of branch.slice(1).entries()) expect(one.parent_id).toBe(branch[index]?.id);
      for (const one of messages) {
        const leaf = newestLeafBelow(messages, one.id);
        expect(messages.some((other) => other.id === leaf)).toBe(true);
      }
    }),
  );
});

test('in a proper tree the leaf below a message has the message on its branch', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(), { minLength: 1, maxLength: 25 }), (parents) => {
      const messages = parents.map((parent, index) =>
        message(`m${index}`, index === 0 ? null : `m${parent % index}`, index),
      );
      for (const one of messages) expect(ids(branchTo(messages, newestLeafBelow(messages, one.id)))).toContain(one.id);
    }),
  );
});
