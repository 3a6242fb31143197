import { watch } from 'node:fs';
import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readableLine } from '@secai/launcher';
import { serviceNames } from '@secai/topology';
import type { Invocation } from './cli.ts';
import { CliError, EXIT } from './errors.ts';

export async function logsCommand(invocation: Invocation): Promise<number> {
  const { words, options, machine } = invocation;
  const [only] = words;
  if (only !== undefined && !serviceNames.includes(only as never))
    throw new CliError(EXIT.usage, `there is no service "${only}"; choose from ${serviceNames.join(', ')}`);
  if (!/^\d{1,6}$/.test(options.lines)) throw new CliError(EXIT.usage, `--lines: "${options.lines}" is no number`);
  const names = only === undefined ? serviceNames : [only];
  const entries: { service: string; line: string; time: string }[] = [];
  for (const service of names) {
    const text = await readFile(join(machine.home, 'logs', `${service}.log`), 'utf8').catch(() => '');
    for (const line of text.split('\n').filter(Boolean).slice(-Number(options.lines)))
      entries.push({ service, line, time: timeOf(line) });
  }
  entries.sort((a, b) => (a.time < b.time ? -1 : a.time > b.time ? 1 : 0));
  for (const entry of entries.slice(-Number(options.lines))) print(invocation, entry.service, entry.line);
  if (options.follow) await Promise.all(names.map((service) => follow(invocation, service)));
  return EXIT.ok;
}

function timeOf(line: string): string {
  return line.match(/"time":"([^"]+)"/)?.[1] ?? '';
}

function print({ out, options }: Invocation, service: string, line: string): void {
  out(options.json ? `${line}\n` : `${service.padEnd(16)} │ ${readableLine(line)}\n`);
}

/** Prints what is appended from now on, until the process is stopped. */
async function follow(invocation: Invocation, service: string): Promise<void> {
  const path = join(invocation.machine.home, 'logs', `${service}.log`);
  let position = await readFile(path).then(
    (bytes) => bytes.length,
    () => 0,
  );
  let rest = '';
  const read = async (): Promise<void> => {
    const file = await open(path).catch(() => null);
    if (!file) return;
    try {
      const { size } = await file.stat();
      if (size < position) position = 0; // rotated
      const bytes = Buffer.alloc(size - position);
      await file.read(bytes, 0, bytes.length, position);
      position = size;
      const lines = (rest + bytes.toString()).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) print(invocation, service, line);
    } finally {
      await file.close();
    }
  };
  let reading = Promise.resolve();
  await new Promise<never>((_, reject) => {
    watch(path)
      .on('change', () => {
        reading = reading.then(read);
      })
      .once('error', reject);
  });
}
