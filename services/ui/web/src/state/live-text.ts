import { createStore, type Store } from '../lib/store.ts';

/** Text that grows quickly, shown at a pace the page can draw. */
export interface LiveText {
  shown: Store<string>;
  append(text: string): void;
  /** Everything so far, shown or not. */
  all(): string;
  /** Shows everything now and stops. */
  finish(): void;
}

/**
 * Collects deltas and shows them at most once a frame; the longer the text, the fewer redraws a second, so that a very
 * long answer costs no more than a short one. `schedule` is the page's frame clock.
 */
export function createLiveText(
  schedule: (callback: () => void) => void = (callback) => requestAnimationFrame(callback),
  now: () => number = () => performance.now(),
): LiveText {
  const shown = createStore('');
  let parts: string[] = [];
  let text = '';
  let waiting = false;
  let finished = false;
  let lastShown = Number.NEGATIVE_INFINITY;

  const all = (): string => {
    if (parts.length > 0) {
      text += parts.join('');
      parts = [];
    }
    return text;
  };
  const tick = (): void => {
    waiting = false;
    if (finished) return;
    if (now() - lastShown < Math.min(200, text.length / 300)) {
      request();
      return;
    }
    lastShown = now();
    shown.set(all());
  };
  const request = (): void => {
    if (waiting) return;
    waiting = true;
    schedule(tick);
  };
  return {
    shown,
    all,
    append: (part) => {
      parts.push(part);
      request();
    },
    finish: () => {
      finished = true;
      shown.set(all());
    },
  };
}
