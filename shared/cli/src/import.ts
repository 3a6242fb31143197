import { stat } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { type QuarantineJob, stageNames } from '@secai/contracts';
import { homeAt, submitModel } from '@secai/launcher';
import type { Invocation } from './cli.ts';
import { CliError, EXIT } from './errors.ts';
import { bytes, safeText } from './format.ts';

export async function importCommand({ machine, words, options, answer, err, tty }: Invocation): Promise<number> {
  const [file] = words;
  if (file === undefined || words.length > 1)
    throw new CliError(EXIT.usage, 'usage: npx secai import FILE [--name NAME]');
  const info = await stat(file).catch(() => null);
  if (!info?.isFile()) throw new CliError(EXIT.usage, `${file} is no file`);
  const quarantine = await machine.client('quarantine');
  if (tty && !options.json) err(`sending ${bytes(info.size)} into quarantine\n`);
  const { id } = await submitModel(
    homeAt(machine.home),
    await machine.portOffset(),
    file,
    options.name,
    new AbortController().signal,
  );
  let shown = -1;
  let job: QuarantineJob;
  for (;;) {
    job = await quarantine.get({ params: { id } });
    if (!options.json) {
      for (let i = shown + 1; i < 7 && job.stages[i]?.verdict; i++) {
        err(`  ${mark(job.stages[i]!.verdict)} ${stageNames[i]}\n`);
        shown = i;
      }
    }
    if (!['queued', 'running'].includes(job.state)) break;
    await delay(150);
  }
  answer(job, () => {
    const findings = job.stages.flatMap((stage) =>
      stage.findings
        .filter((one) => job.state !== 'passed' && ['high', 'critical'].includes(one.severity))
        .map((one) => `  ${one.rule} at ${safeText(one.where)}: ${safeText(one.message)}`),
    );
    return [`${job.name}: ${job.state}. ${safeText(job.summary)}`, ...findings].join('\n');
  });
  return job.state === 'passed' ? EXIT.ok : EXIT.failed;
}

function mark(verdict: string | null | undefined): string {
  return verdict === 'pass' ? '✓' : verdict === 'skip' ? '–' : '✗';
}
