import { parse, tokenize } from '@huggingface/jinja';
import { shown } from '../findings.ts';
import { DEFAULT_LIMITS } from '../limits.ts';
import type { RuleId } from '../rules.ts';
import type { Node } from './ast.ts';
import { judge } from './judge.ts';

export interface TemplateFinding {
  rule: Extract<RuleId, `TPL-${string}`>;
  message: string;
}

export interface TemplateOptions {
  /** UTF-8 bytes; default 256 KiB. */
  maxBytes?: number;
}

/** As @huggingface/jinja makes them; its own declarations do not resolve under ESM. */
interface Token {
  type: string;
  value: string;
}

/** Statements that read another template (jinja2). */
const FOREIGN_STATEMENTS = new Set(['include', 'import', 'extends', 'from']);
/** The tokenizer's first pass is quadratic in a run of white space. */
const MAX_BLANK_RUN = 1024;

/**
 * Judges a chat template by what it reaches, never by the words in it. An empty list means: it only reads the
 * conversation and writes text, in bounded time. Never throws and never runs the template.
 */
export function checkChatTemplate(text: string, options: TemplateOptions = {}): TemplateFinding[] {
  const maxBytes = options.maxBytes ?? DEFAULT_LIMITS.maxTemplateBytes;
  const bytes = Buffer.byteLength(text);
  if (bytes > maxBytes) return [refused('TPL-007', `it has ${bytes} bytes; ${maxBytes} are allowed`)];
  if (new RegExp(`\\s{${MAX_BLANK_RUN}}`).test(text)) {
    return [refused('TPL-007', `it has more than ${MAX_BLANK_RUN} blanks in a row`)];
  }
  try {
    const tokens: Token[] = tokenize(text, { lstrip_blocks: true, trim_blocks: true });
    const foreign = tokens.find(
      (token, i) =>
        token.type === 'Identifier' && FOREIGN_STATEMENTS.has(token.value) && tokens[i - 1]?.type === 'OpenStatement',
    );
    if (foreign) return [refused('TPL-002', `it has the statement "${foreign.value}", which reads another file`)];
    return judge(parse(tokens) as unknown as Node);
  } catch (error) {
    // The parser and the judge descend by recursion; a template that is nested deeper than the stack is no ordinary one.
    if (error instanceof RangeError) return [refused('TPL-008', 'it is nested too deeply')];
    return [refused('TPL-006', `it cannot be parsed (${shown((error as Error).message, 120)})`)];
  }
}

function refused(rule: TemplateFinding['rule'], why: string): TemplateFinding {
  return { rule, message: `the chat template is refused: ${why}` };
}
