import type { Clock } from '@secai/kit';

/** A clock that moves only when told to. */
export class ManualClock implements Clock {
  #now = Date.parse('2026-03-01T12:00:00Z');

  now(): number {
    return this.#now;
  }

  advance(ms: number): void {
    this.#now += ms;
  }
}
