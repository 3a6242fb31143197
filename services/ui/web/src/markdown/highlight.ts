import hljs from 'highlight.js/lib/core';
import bash from 'highlight.js/lib/languages/bash';
import c from 'highlight.js/lib/languages/c';
import cpp from 'highlight.js/lib/languages/cpp';
import csharp from 'highlight.js/lib/languages/csharp';
import css from 'highlight.js/lib/languages/css';
import diff from 'highlight.js/lib/languages/diff';
import go from 'highlight.js/lib/languages/go';
import ini from 'highlight.js/lib/languages/ini';
import java from 'highlight.js/lib/languages/java';
import javascript from 'highlight.js/lib/languages/javascript';
import json from 'highlight.js/lib/languages/json';
import markdown from 'highlight.js/lib/languages/markdown';
import php from 'highlight.js/lib/languages/php';
import python from 'highlight.js/lib/languages/python';
import ruby from 'highlight.js/lib/languages/ruby';
import rust from 'highlight.js/lib/languages/rust';
import sql from 'highlight.js/lib/languages/sql';
import typescript from 'highlight.js/lib/languages/typescript';
import xml from 'highlight.js/lib/languages/xml';
import yaml from 'highlight.js/lib/languages/yaml';

const languages = {
  bash,
  c,
  cpp,
  csharp,
  css,
  diff,
  go,
  ini,
  java,
  javascript,
  json,
  markdown,
  php,
  python,
  ruby,
  rust,
  sql,
  typescript,
  xml,
  yaml,
};
for (const [name, language] of Object.entries(languages)) hljs.registerLanguage(name, language);

/** A run of code with the class of its kind, `''` for plain text. */
export interface Token {
  text: string;
  className: string;
}

interface Scope {
  scope?: string;
  children: (Scope | string)[];
}

/**
 * Colours code by its tokens, never as an HTML string, so nothing has to be trusted on the way into the page.
 * Returns null for a language that is not in the bundle.
 */
export function tokenize(code: string, language: string): Token[] | null {
  const name = language.toLowerCase();
  if (!hljs.getLanguage(name)) return null;
  const result = hljs.highlight(code, { language: name, ignoreIllegals: true });
  const root = (result._emitter as unknown as { rootNode: Scope }).rootNode;
  const tokens: Token[] = [];
  collect(root, '', tokens);
  return tokens;
}

function collect(node: Scope | string, className: string, tokens: Token[]): void {
  if (typeof node === 'string') {
    tokens.push({ text: node, className });
    return;
  }
  const own = node.scope && !node.scope.startsWith('language:') ? `hl-${node.scope.split('.')[0]}` : className;
  for (const child of node.children) collect(child, own, tokens);
}
