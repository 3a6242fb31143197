/** A piece of a message that renders by itself. A top-level code fence comes apart, so a long one costs no parsing. */
export type Block =
  | { kind: 'markdown'; text: string }
  | { kind: 'code'; text: string; language: string; code: string; closed: boolean };

const fenceLine = /^( {0,3})(`{3,}(?=[^`]*$)|~{3,})(.*)$/;
const innerFenceLine = /^\s*(`{3,}(?=[^`]*$)|~{3,})/;
const listLine = /^ {0,3}(?:[-*+]|\d{1,9}[.)])(?:\s|$)/;

interface Fence {
  char: string;
  length: number;
}

/**
 * Splits Markdown at blank lines and code fences where CommonMark starts a new top-level block. While text is appended
 * line by line only the last block changes, so finished blocks are rendered once. The joined `text`s are the input.
 * A wrong split can only change the layout: each block goes through the same parser and the same sanitiser.
 */
export function splitBlocks(source: string): Block[] {
  const blocks: Block[] = [];
  let lines: string[] = [];
  let mode: 'empty' | 'prose' | 'list' | 'fence' | 'closed' = 'empty';
  let fence: Fence | null = null;
  let afterBlank = false;

  const flush = (): void => {
    if (lines.length > 0) blocks.push(toBlock(lines.join(''), mode === 'fence' || mode === 'closed'));
    lines = [];
    fence = null;
  };

  for (const line of linesOf(source)) {
    const bare = line.replace(/\r?\n$/, '');
    const blank = bare.trim() === '';

    if (mode === 'fence') {
      lines.push(line);
      if (fence && closes(bare, fence)) mode = 'closed';
      continue;
    }
    if (blank) {
      lines.push(line);
      afterBlank = true;
      continue;
    }
    const indent = bare.length - bare.trimStart().length;
    const opening: RegExpExecArray | null = fenceLine.exec(bare);
    const opensFence: boolean = opening !== null && (mode !== 'list' || indent < 2);
    const staysInList = mode === 'list' && !opensFence && (indent >= 2 || (!fence && listLine.test(bare)));
    const lazyLine = !afterBlank && (mode === 'prose' || (mode === 'list' && !fence)) && !opensFence;

    if (mode === 'empty' ? opensFence && lines.length > 0 : !staysInList && !lazyLine) {
      flush();
      mode = 'empty';
    }
    if (mode === 'empty') {
      mode = opensFence ? 'fence' : listLine.test(bare) ? 'list' : 'prose';
      if (opensFence) fence = { char: opening?.[2]?.[0] ?? '`', length: opening?.[2]?.length ?? 3 };
    } else if (mode === 'list') {
      fence = innerFence(bare, fence);
    }
    lines.push(line);
    afterBlank = false;
  }
  flush();
  return blocks;
}

function innerFence(line: string, open: Fence | null): Fence | null {
  if (open) return closes(line, open) ? null : open;
  const marker = innerFenceLine.exec(line.replace(/^ {0,3}(?:[-*+]|\d{1,9}[.)])\s+/, ''))?.[1];
  return marker ? { char: marker[0] ?? '`', length: marker.length } : null;
}

function closes(line: string, fence: Fence): boolean {
  const trimmed = line.trim();
  return trimmed.length >= fence.length && [...trimmed].every((char) => char === fence.char);
}

function toBlock(text: string, isFence: boolean): Block {
  if (!isFence) return { kind: 'markdown', text };
  const start = text.search(/[^\r\n \t]/);
  const lines = text.slice(text.lastIndexOf('\n', start) + 1).split(/\r?\n/);
  const opening = fenceLine.exec(lines[0] ?? '');
  const marker = opening?.[2] ?? '```';
  const fence = { char: marker[0] ?? '`', length: marker.length };
  const end = lines.findIndex((line, index) => index > 0 && closes(line, fence));
  const body = lines.slice(1, end < 0 ? undefined : end);
  if (end < 0 && body.at(-1) === '') body.pop();
  const indent = opening?.[1]?.length ?? 0;
  const code = body.map((line) => line.replace(new RegExp(`^ {0,${indent}}`), '')).join('\n');
  const language = (opening?.[3] ?? '').trim().split(/[\s{,]/)[0] ?? '';
  return { kind: 'code', text, language: language.slice(0, 30), code, closed: end >= 0 };
}

function linesOf(source: string): string[] {
  return source.match(/[^\n]*\n|[^\n]+$/g) ?? [];
}

/** Link definitions (`[name]: address`) of the whole text: they are needed in whichever block uses them. */
export function definitionsOf(blocks: readonly Block[]): string {
  return blocks
    .flatMap((block) =>
      block.kind === 'markdown' ? (block.text.match(/^ {0,3}\[[^\]^\n][^\]\n]*\]:[ \t]*\S.*$/gm) ?? []) : [],
    )
    .join('\n');
}

/** A reasoning model's `<think>…</think>` at the start of an answer, apart from the answer. */
export interface Thought {
  thinking: string | null;
  /** The closing tag has not come yet. */
  open: boolean;
  answer: string;
}

export function splitThinking(content: string): Thought {
  const opening = /^\s*<think>/.exec(content);
  if (!opening) return { thinking: null, open: false, answer: content };
  const start = opening[0].length;
  const end = content.indexOf('</think>', start);
  if (end < 0) return { thinking: content.slice(start).trim(), open: true, answer: '' };
  const thinking = content.slice(start, end).trim();
  return { thinking: thinking === '' ? null : thinking, open: false, answer: content.slice(end + 8).trimStart() };
}
