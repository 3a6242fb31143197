const lineWidth = 120;

/** JSON text as the project's formatter leaves it: objects one key a line, arrays on one line where they fit. */
export function formattedJson(value: unknown): string {
  return `${format(value, '', 0)}\n`;
}

/** `taken`: columns already used on the line by what precedes the value. */
function format(value: unknown, indent: string, taken: number): string {
  const inner = `${indent}  `;
  if (Array.isArray(value)) {
    const flat = `[${value.map((one) => JSON.stringify(one)).join(', ')}]`;
    const simple = value.every((one) => typeof one !== 'object');
    if (simple && indent.length + taken + flat.length < lineWidth) return flat;
    return `[\n${value.map((one) => `${inner}${format(one, inner, 0)}`).join(',\n')}\n${indent}]`;
  }
  if (typeof value === 'object' && value !== null) {
    const lines = Object.entries(value)
      .filter(([, one]) => one !== undefined)
      .map(([key, one]) => `${inner}${JSON.stringify(key)}: ${format(one, inner, key.length + 4)}`);
    return `{\n${lines.join(',\n')}\n${indent}}`;
  }
  return JSON.stringify(value);
}
