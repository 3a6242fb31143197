/** What the guest tells the host: one JSON line per message. */
import { appendFileSync } from 'node:fs';

export type Message =
  | { kind: 'check'; name: string; ok: boolean; detail: string; seconds: number }
  | { kind: 'measure'; name: string; value: number; unit: string }
  | { kind: 'note'; text: string }
  | { kind: 'done' };

const port = '/dev/virtio-ports/org.secai.results';

export function report(message: Message): void {
  appendFileSync(port, `${JSON.stringify(message)}\n`);
}

/** Runs one check and reports it; a check fails by throwing, its returned text is the detail. */
export async function check(name: string, body: () => Promise<string> | string): Promise<boolean> {
  const started = performance.now();
  const seconds = (): number => Math.round((performance.now() - started) / 100) / 10;
  try {
    report({ kind: 'check', name, ok: true, detail: await body(), seconds: seconds() });
    return true;
  } catch (error) {
    report({
      kind: 'check',
      name,
      ok: false,
      detail: error instanceof Error ? error.message : String(error),
      seconds: seconds(),
    });
    return false;
  }
}

/** Throws with `message` unless `condition` holds. */
export function expect(condition: boolean, message: string): void {
  if (!condition) throw new Error(message);
}
