import type { Invocation } from './cli.ts';
import { EXIT } from './errors.ts';
import { bytes, table } from './format.ts';

export async function modelsCommand({ machine, answer }: Invocation): Promise<number> {
  const [{ models }, { jobs }] = await Promise.all([
    (await machine.client('registry')).list(),
    (await machine.client('quarantine')).list(),
  ]);
  const open = jobs.filter((job) => job.state !== 'passed');
  answer({ models, jobs: open }, () => {
    const rows = [
      ...models.map((model) => [
        model.name,
        model.state,
        bytes(model.size),
        model.facts.quantization ?? '–',
        model.sha256.slice(7, 19),
      ]),
      ...open.map((job) => [job.name, job.state, bytes(job.size), '–', job.summary]),
    ];
    return rows.length === 0
      ? 'no models yet; `npx secai import FILE` brings one'
      : table(['model', 'state', 'size', 'quantisation', 'sha-256 / why'], rows);
  });
  return EXIT.ok;
}
