import { pino } from 'pino';

export type Logger = ReturnType<typeof createLogger>;

/** One JSON line per event on stdout. Bodies, headers and queries are never passed to it, so they cannot leak. */
export function createLogger(service: string, level: string) {
  return pino({
    level,
    base: { service },
    messageKey: 'event',
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
    serializers: { err: (error: Error) => ({ type: error.name, message: error.message, stack: error.stack }) },
  });
}
