import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { RULES } from '@secai/model-formats';
import { expect, it } from 'vitest';
import { OWN_RULES } from '../src/rules.ts';
import { rulesPage } from '../src/rules-page.ts';

it('RULES.md lists the rules that the code has', () => {
  expect(readFileSync(join(import.meta.dirname, '../RULES.md'), 'utf8')).toBe(rulesPage());
});

it('no two rules share an id', () => {
  expect(Object.keys(OWN_RULES).filter((id) => id in RULES)).toEqual([]);
});
