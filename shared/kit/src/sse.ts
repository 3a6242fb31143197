import type { Response } from 'express';

export interface EventStream {
  /** Sends one event; waits while the client is slower than we are. Resolves false when the client is gone. */
  send(event: string, data: unknown): Promise<boolean>;
  close(): void;
}

/** Resolves when the client has read what was buffered, or is gone. */
export function drained(res: Response): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      res.off('drain', done);
      res.off('close', done);
      resolve();
    };
    res.once('drain', done);
    res.once('close', done);
  });
}

/** Opens a stream of server-sent events (WHATWG HTML, section 9.2) with a comment every 15 s, so that proxies keep it open. */
export function openEventStream(res: Response): EventStream {
  res.status(200);
  res.setHeader('content-type', 'text/event-stream; charset=utf-8');
  res.setHeader('cache-control', 'no-store');
  res.setHeader('x-accel-buffering', 'no');
  res.flushHeaders();
  res.socket?.setNoDelay(true);
  const beat = setInterval(() => res.write(':\n\n'), 15_000);
  res.once('close', () => clearInterval(beat));
  return {
    async send(event, data) {
      if (res.destroyed || res.writableEnded) return false;
      if (!res.write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`)) {
        await drained(res);
      }
      return !res.destroyed;
    },
    close() {
      clearInterval(beat);
      if (!res.writableEnded) res.end();
    },
  };
}
