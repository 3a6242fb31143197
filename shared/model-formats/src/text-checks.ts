import { type FindingList, shown } from './findings.ts';

const TAGS = /[\u{E0001}\u{E0020}-\u{E007F}]/u;
/** Flag emoji of England, Scotland and Wales: a black flag, tags, and the cancel tag. */
const FLAG_SEQUENCES = /\u{1F3F4}[\u{E0030}-\u{E0039}\u{E0061}-\u{E007A}]{1,6}\u{E007F}/gu;
/** Overrides reorder what is shown; embeddings and isolates also serve ordinary right-to-left text. */
const BIDI_OVERRIDE = /[\u202D\u202E]/;
const BIDI = /[\u202A-\u202E\u2066-\u2069]/;
/** U+200C and U+200D join letters in several scripts and emoji and are left alone. */
const ZERO_WIDTH = /[\u200B\u2060-\u2064\uFEFF\u180E]/;
const CONTROL = /[\u0000-\u0008\u000B\u000C\u000E-\u001F\u007F-\u009F]/;
const URL = /\b(?:https?|wss?|ftp):\/\/[^\s"'<>{}|\\^`]{3,200}/i;

/** Looks for hidden and deceptive text in one string of the model; `where` is its key. Vocabulary entries are exempt. */
export function checkText(text: string, where: string, findings: FindingList): void {
  const tag = TAGS.exec(text.replace(FLAG_SEQUENCES, ''));
  if (tag) {
    findings.add(
      'TXT-001',
      where,
      `${where} contains invisible tag characters (${codePoint(tag[0])}); they can hide instructions`,
    );
  }
  const bidi = BIDI_OVERRIDE.exec(text) ?? BIDI.exec(text);
  if (bidi) {
    findings.add(
      'TXT-002',
      where,
      `${where} contains a bidirectional control (${codePoint(bidi[0])}); what is shown differs from what is read`,
      BIDI_OVERRIDE.test(text) ? 'high' : 'medium',
    );
  }
  const zeroWidth = ZERO_WIDTH.exec(text);
  if (zeroWidth)
    findings.add('TXT-003', where, `${where} contains a zero-width character (${codePoint(zeroWidth[0])})`);
  const control = CONTROL.exec(text);
  if (control) findings.add('TXT-005', where, `${where} contains a control character (${codePoint(control[0])})`);
  const url = URL.exec(text);
  if (url) {
    // A template that names an address can make a model quote it; in descriptive fields addresses are ordinary.
    const severity = where.startsWith('tokenizer.') ? 'low' : 'info';
    findings.add('TXT-004', where, `${where} contains the address ${shown(url[0], 120)}`, severity);
  }
  if (/^#![ \t]*\//.test(text)) {
    findings.add('EXE-001', where, `${where} starts like a script (${shown(text, 40)})`);
  }
}

function codePoint(character: string): string {
  return `U+${character.codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0')}`;
}
