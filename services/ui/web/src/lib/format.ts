/** Bytes for people: decimal units, three significant digits. */
export function bytes(count: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB', 'EB'];
  let value = count;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toPrecision(value >= 10 ? 3 : 2)} ${units[unit]}`;
}

/** Milliseconds for people: `12 ms`, `3.4 s`, `2 min 5 s`. */
export function duration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

/** Parameter counts as the field writes them: `135 M`, `7.2 B`. */
export function parameters(count: number): string {
  if (count >= 1e9) return `${trim(count / 1e9)} B`;
  if (count >= 1e6) return `${trim(count / 1e6)} M`;
  return String(count);
}

function trim(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toFixed(1).replace(/\.0$/, '');
}

/** The first and last digits of `sha256:<hex>`. */
export function shortHash(hash: string): string {
  const hex = hash.replace(/^sha256:/, '');
  return `${hex.slice(0, 8)}…${hex.slice(-6)}`;
}

/** A model name the contract accepts, made from a file's name; empty when nothing usable is left. */
export function nameFromFile(fileName: string): string {
  return fileName
    .replace(/\.(gguf|safetensors)$/i, '')
    .normalize('NFKD')
    .replace(/[^A-Za-z0-9._-]+/g, '-')
    .replace(/\.{2,}/g, '.')
    .replace(/^[^A-Za-z0-9]+/, '')
    .replace(/[-.]+$/, '')
    .slice(0, 100);
}

/** What is wrong with a model name, or null. Mirrors `modelName` of the contract; a test compares the two. */
export function modelNameProblem(name: string): string | null {
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/.test(name))
    return 'Use 1 to 100 letters, digits, “.”, “_” or “-”, starting with a letter or digit.';
  return name.includes('..') ? 'The name must not contain “..”.' : null;
}

/** A text of a service as a sentence of the page: capital letter, full stop. */
export function sentence(text: string): string {
  const trimmed = text.trim();
  const capital = trimmed.charAt(0).toUpperCase() + trimmed.slice(1);
  return /[.!?…:”]$/.test(capital) ? capital : `${capital}.`;
}
