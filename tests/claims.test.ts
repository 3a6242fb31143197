import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type ClaimId, claims } from './claims.ts';
import { repository } from './support/stack.ts';

const testFiles = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '*.test.ts'], {
  cwd: repository,
  encoding: 'utf8',
})
  .split('\n')
  .filter((file) => file && file !== 'tests/claims.test.ts');

/** Claim id → files that cite it. */
const citations = new Map<string, string[]>();
for (const file of testFiles) {
  const text = readFileSync(join(repository, file), 'utf8');
  for (const [, list] of text.matchAll(/\bverifies\(\s*\[([^\]]*)\]/g)) {
    for (const [, id] of list!.matchAll(/'([^']+)'/g)) citations.set(id!, [...(citations.get(id!) ?? []), file]);
  }
}

const ids = Object.keys(claims) as ClaimId[];

describe('claims', () => {
  it('have a proof where they say proven, and no test proves an open one', () => {
    const proven = ids.filter((id) => claims[id].status === 'proven');
    expect(
      proven.filter((id) => !citations.has(id)),
      'proven without a test',
    ).toEqual([]);
    expect(
      ids.filter((id) => claims[id].status === 'open' && citations.has(id)),
      'open although a test cites them',
    ).toEqual([]);
    const open = ids.filter((id) => claims[id].status === 'open');
    console.log(
      `${proven.length} claims proven, ${open.length} open:\n${open.map((id) => `  ${id}: ${claims[id].behaviour}`).join('\n')}`,
    );
  });

  it('are what tests cite', () => {
    expect([...citations.keys()].filter((id) => !(id in claims))).toEqual([]);
  });

  it('cover what the README says works, sentence by sentence', () => {
    const readme = readFileSync(join(repository, 'README.md'), 'utf8');
    const section = readme.split(/^## /m).find((part) => part.startsWith('What works'));
    const items = (section ?? '').split('\n').filter((line) => line.startsWith('- '));
    expect(items.length, 'bullets under "What works"').toBeGreaterThan(3);
    for (const item of items) {
      const cited = [...item.matchAll(/<!-- claim: ([\w. -]+) -->/g)].flatMap(([, list]) => list!.trim().split(/\s+/));
      expect(cited.length, `no claim behind: ${item}`).toBeGreaterThan(0);
      for (const id of cited) expect(claims[id as ClaimId]?.status, `${id}, cited by: ${item}`).toBe('proven');
    }
  });
});
