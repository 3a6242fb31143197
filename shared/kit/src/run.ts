import type { Routes } from '@secai/contracts';
import type { z } from 'zod';
import { ConfigError } from './config.ts';
import { type ServiceDefinition, startService } from './service.ts';

/**
 * Runs a service as this process: from the process environment until SIGTERM, SIGINT or, with SECAI_LIFELINE=1, the end
 * of stdin (the launcher's death closes it, so nothing outlives a killed launcher).
 */
export function run<R extends Routes, E extends z.ZodObject>(definition: ServiceDefinition<R, E>): void {
  runProcess(definition.contract.service, async () => (await startService(definition, { env: process.env })).stop);
}

/** The process side of any service, also of those that are no HTTP service: `start` returns its stop. */
export function runProcess(name: string, start: () => Promise<() => Promise<void>>): void {
  const told = Promise.withResolvers<void>();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => told.resolve());
  if (process.env['SECAI_LIFELINE'] === '1') {
    process.stdin.once('end', () => told.resolve()).once('error', () => told.resolve());
    process.stdin.resume();
  }
  const fail = (error: unknown): void => {
    const line = error instanceof ConfigError ? error.message : (error as Error).stack;
    process.stderr.write(`${name}: cannot start: ${line}\n`);
    process.exitCode = error instanceof ConfigError ? 78 : 1; // 78: EX_CONFIG of sysexits.h, which no restart can mend
    lastResort();
  };
  start()
    .then(async (stop) => {
      await told.promise;
      lastResort();
      process.stdin.pause();
      await stop();
    })
    .catch(fail);
}

/** Ends the process if something still holds it 5 s after it should have ended. */
function lastResort(): void {
  setTimeout(() => process.exit(), 5000).unref();
}
