import { formatTable } from '@secai/launcher';
import type { Invocation } from './cli.ts';
import { EXIT } from './errors.ts';

export async function statusCommand({ machine, answer }: Invocation): Promise<number> {
  const status = await machine.status();
  const troubled = status.services.filter((row) => row.state !== 'ready');
  answer(status, () =>
    [formatTable(status.services), ...troubled.map((row) => `\n  ${row.service}: ${row.detail || row.state}`)].join(
      '\n',
    ),
  );
  return troubled.length === 0 ? EXIT.ok : EXIT.failed;
}
