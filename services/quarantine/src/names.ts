import { modelName, Problem } from '@secai/contracts';

/** Control characters, direction changes, zero-width and tag characters: they make a name look like another one (CVE-2021-42574). */
const DECEPTIVE = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\u2028\u2029\ufffd]/u;
const MODEL_ENDING = /\.(?:gguf|safetensors)$/i;
/** The longest file name Linux has. */
const MAX_FILE_NAME_BYTES = 255;
const MAX_NAME = 100;

/** The model's name from what the person typed. Throws Problem `invalid_field` instead of changing what was typed. */
export function chosenName(text: string): string {
  const parsed = modelName.safeParse(text);
  if (parsed.success) return parsed.data;
  throw bad('name', `${parsed.error.issues[0]!.message}; got ${quoted(text)}`);
}

/** What an uploaded file is called, without folders. Throws Problem `invalid_field` for names made to deceive. */
export function cleanFileName(raw: string): string {
  if (DECEPTIVE.test(raw))
    throw bad(
      'file',
      `the file name ${quoted(raw)} has invisible, control or direction-changing characters; rename the file`,
    );
  const name = raw.split(/[/\\]/).at(-1)!.trim();
  if (Buffer.byteLength(name) > MAX_FILE_NAME_BYTES)
    throw bad('file', `the file name is longer than ${MAX_FILE_NAME_BYTES} bytes; rename the file`);
  return name;
}

/** A model's name made from a cleaned file name. Throws Problem `invalid_field` when nothing usable is left. */
export function nameFromFile(fileName: string): string {
  const name = fileName
    .replace(MODEL_ENDING, '')
    .normalize('NFKD')
    .replace(/\p{Mn}/gu, '')
    .replace(/[^A-Za-z0-9._-]+/g, '-')
    .replace(/\.{2,}/g, '.')
    .replace(/^[^A-Za-z0-9]+/, '')
    .slice(0, MAX_NAME)
    .replace(/[.-]+$/, '');
  const parsed = modelName.safeParse(name);
  if (parsed.success) return parsed.data;
  throw bad('name', `the file name ${quoted(fileName)} gives no usable name; send the field "name" before the file`);
}

function bad(field: string, message: string): Problem {
  return new Problem('invalid_field', `${field}: ${message}`, { errors: [{ field, message }] });
}

function quoted(text: string): string {
  const cut = text.length > 60 ? `${text.slice(0, 60)}…` : text;
  return JSON.stringify(cut).replace(/[^\x20-\x7e…]/gu, (c) => `\\u{${c.codePointAt(0)!.toString(16)}}`);
}
