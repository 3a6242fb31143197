import { setTimeout as delay } from 'node:timers/promises';

/** Polls until `check` returns something other than null, undefined or false. Throws `what` with the last answer after `limitMs`. */
export async function eventually<T>(
  what: string,
  check: () => Promise<T> | T,
  limitMs = 30_000,
): Promise<NonNullable<T>> {
  const deadline = performance.now() + limitMs;
  let last: unknown;
  for (;;) {
    try {
      const value = await check();
      if (value !== null && value !== undefined && value !== false) return value as NonNullable<T>;
      last = value;
    } catch (error) {
      last = error;
    }
    if (performance.now() > deadline)
      throw new Error(
        `${what}: not within ${limitMs} ms; last: ${last instanceof Error ? last.message : JSON.stringify(last)}`,
      );
    await delay(25);
  }
}
