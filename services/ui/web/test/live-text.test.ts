import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createLiveText } from '../src/state/live-text.ts';

/** A frame clock that the test turns by hand. */
function clock() {
  let waiting: (() => void)[] = [];
  let time = 0;
  return {
    schedule: (callback: () => void) => void waiting.push(callback),
    now: () => time,
    frame: (ms: number) => {
      time += ms;
      const due = waiting;
      waiting = [];
      for (const callback of due) callback();
    },
    waiting: () => waiting.length,
  };
}

test('nothing is lost, nothing is shown twice, and the end shows all', () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(fc.string(), fc.constant(null))), (steps) => {
      const frames = clock();
      const live = createLiveText(frames.schedule, frames.now);
      let given = '';
      for (const step of steps) {
        if (step === null) frames.frame(16);
        else {
          live.append(step);
          given += step;
        }
        expect(given.startsWith(live.shown.get())).toBe(true);
      }
      live.finish();
      expect(live.shown.get()).toBe(given);
    }),
  );
});

test('many words between two frames are one redraw', () => {
  const frames = clock();
  const live = createLiveText(frames.schedule, frames.now);
  let redraws = 0;
  live.shown.subscribe(() => redraws++);
  for (let count = 0; count < 1000; count++) live.append('word ');
  expect(frames.waiting()).toBe(1);
  frames.frame(16);
  expect(redraws).toBe(1);
});

test('a very long text is redrawn at most five times a second', () => {
  const frames = clock();
  const live = createLiveText(frames.schedule, frames.now);
  live.append('x'.repeat(200_000));
  frames.frame(16);
  let redraws = 0;
  live.shown.subscribe(() => redraws++);
  for (let frame = 0; frame < 60; frame++) {
    live.append('y');
    frames.frame(1000 / 60);
  }
  expect(redraws).toBeGreaterThan(0);
  expect(redraws).toBeLessThanOrEqual(5);
});
