/** How good a passphrase is, from 0 (refused) to 4. */
export interface Strength {
  level: 0 | 1 | 2 | 3 | 4;
  label: string;
  hint: string;
}

export const shortestPassphrase = 12;

/**
 * A rough measure from length and variety: repeated and running characters count little, so `aaaaaaaaaaaa` and
 * `123456789012` stay weak. It is a guide beside the field; only the length is enforced (by the server).
 */
export function strengthOf(passphrase: string): Strength {
  const characters = [...passphrase];
  if (characters.length < shortestPassphrase) {
    const missing = shortestPassphrase - characters.length;
    const hint =
      characters.length === 0
        ? 'At least 12 characters. Four or five unrelated words work well.'
        : `${missing} more to go.`;
    return { level: 0, label: 'Too short', hint };
  }
  const bits = effectiveLength(characters) * Math.log2(alphabetOf(passphrase));
  if (bits < 35) return { level: 1, label: 'Weak', hint: 'Easy to guess. Avoid repeats and runs like 1234.' };
  if (bits < 65) return { level: 2, label: 'Fair', hint: 'Another word or two would help.' };
  if (bits < 90) return { level: 3, label: 'Good', hint: 'Longer is still better.' };
  return { level: 4, label: 'Strong', hint: 'Make sure you will remember it.' };
}

function effectiveLength(characters: readonly string[]): number {
  const uses = new Map<string, number>();
  let length = 0;
  characters.forEach((character, index) => {
    const step = (character.codePointAt(0) ?? 0) - (characters[index - 1]?.codePointAt(0) ?? Number.NaN);
    const used = uses.get(character) ?? 0;
    uses.set(character, used + 1);
    const runs = Math.abs(step) <= 1;
    length += runs ? 0.15 : used < 3 ? 1 : 0.5;
  });
  return length;
}

function alphabetOf(passphrase: string): number {
  let size = 0;
  if (/[a-z]/.test(passphrase)) size += 18;
  if (/[A-Z]/.test(passphrase)) size += 12;
  if (/[0-9]/.test(passphrase)) size += 8;
  if (/[^A-Za-z0-9]/.test(passphrase)) size += 8;
  return Math.max(size, 2);
}
