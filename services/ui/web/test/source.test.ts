import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const root = join(import.meta.dirname, '..');
const files = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' }).filter((file) =>
  /\.(tsx?|css)$/.test(file),
);
const read = (file: string): string => readFileSync(join(root, 'src', file), 'utf8');

test('no source file writes HTML strings into the page or runs strings as code', () => {
  expect(files.length).toBeGreaterThan(30);
  for (const file of files)
    expect(read(file), file).not.toMatch(
      /dangerouslySetInnerHTML|innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function/,
    );
});

test('no source file names an address outside this machine', () => {
  for (const file of files)
    for (const [address] of read(file).matchAll(/https?:\/\/[\w.-]+/g))
      expect(address, file).toMatch(/^http:\/\/(127\.0\.0\.1|localhost)/);
});

test('the contract is imported for its types only, so that zod stays out of the bundle', () => {
  for (const file of files)
    for (const [line] of read(file).matchAll(/^import .*from '@secai\/.*$/gm))
      expect(line, file).toMatch(/^import type /);
});

test('the page has no inline script, style or event handler', () => {
  const html = readFileSync(join(root, 'index.html'), 'utf8');
  expect(html).not.toMatch(/<style|\sstyle=|\son\w+=/i);
  for (const [, attributes, inner] of html.matchAll(/<script([^>]*)>([^<]*)<\/script>/g)) {
    expect(attributes).toContain('src="/');
    expect(inner).toBe('');
  }
});
