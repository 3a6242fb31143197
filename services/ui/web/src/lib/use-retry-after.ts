import { useEffect, useState } from 'react';
import { ApiError } from '../api.ts';

/** Seconds left before the server takes another attempt; `note` takes any error that came back. */
export function useRetryAfter(): { secondsLeft: number; note: (error: unknown) => void } {
  const [secondsLeft, setSecondsLeft] = useState(0);
  useEffect(() => {
    if (secondsLeft <= 0) return;
    const timer = setTimeout(() => setSecondsLeft(secondsLeft - 1), 1000);
    return () => clearTimeout(timer);
  }, [secondsLeft]);
  return {
    secondsLeft,
    note: (error) => {
      if (error instanceof ApiError && error.retryAfter !== null) setSecondsLeft(error.retryAfter);
    },
  };
}
