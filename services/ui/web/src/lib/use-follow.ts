import { type RefObject, useCallback, useEffect, useRef, useState } from 'react';

/** Pixels from the end that still count as the end. */
const near = 60;

/**
 * Keeps a scrolling box at its end while content grows, unless the person scrolled up. It goes to the end when
 * there is something to show (`filled`) and when a new `turn` begins; the end of a turn (null) moves nothing.
 */
export function useFollow(
  filled: boolean,
  turn: number | null,
): {
  box: RefObject<HTMLDivElement | null>;
  content: RefObject<HTMLDivElement | null>;
  away: boolean;
  toEnd: () => void;
} {
  const box = useRef<HTMLDivElement>(null);
  const content = useRef<HTMLDivElement>(null);
  const following = useRef(true);
  /** Where the box stood last; moves made here are noted at once, so their scroll events are not taken for the person's. */
  const lastTop = useRef(0);
  const [away, setAway] = useState(false);

  const pull = useCallback(() => {
    const element = box.current;
    if (!element) return;
    element.scrollTop = element.scrollHeight;
    lastTop.current = element.scrollTop;
  }, []);
  const toEnd = useCallback(() => {
    following.current = true;
    setAway(false);
    pull();
  }, [pull]);

  useEffect(() => {
    if (filled) toEnd();
  }, [filled, toEnd]);
  useEffect(() => {
    if (turn !== null) toEnd();
  }, [turn, toEnd]);

  useEffect(() => {
    const element = box.current;
    const inner = content.current;
    if (!element || !inner) return;
    const onScroll = (): void => {
      const top = element.scrollTop;
      const left = element.scrollHeight - top - element.clientHeight;
      // Growing content moves nothing and shrinking content leaves the box at its end: any other way up is the person's.
      if (top < lastTop.current && left > 1) following.current = false;
      else if (top > lastTop.current && left < near) following.current = true;
      lastTop.current = top;
      setAway(left >= near && !following.current);
    };
    // At once, before the next word pulls the box down again.
    const onWheel = (event: WheelEvent): void => {
      if (event.deltaY < 0 && element.scrollTop > 0) following.current = false;
    };
    const observer = new ResizeObserver(() => {
      if (following.current) pull();
      else onScroll();
    });
    observer.observe(inner);
    observer.observe(element);
    element.addEventListener('scroll', onScroll, { passive: true });
    element.addEventListener('wheel', onWheel, { passive: true });
    return () => {
      observer.disconnect();
      element.removeEventListener('scroll', onScroll);
      element.removeEventListener('wheel', onWheel);
    };
  }, [pull]);

  return { box, content, away, toEnd };
}
