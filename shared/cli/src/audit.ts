import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { type VerifyResult, verifyAuditLog } from '@secai/audit';
import { loadSigningKey } from '@secai/signing';
import { serviceNames } from '@secai/topology';
import type { Invocation } from './cli.ts';
import { CliError, EXIT } from './errors.ts';
import { table } from './format.ts';

export async function auditCommand({ machine, words, answer }: Invocation): Promise<number> {
  if (words[0] !== 'verify' || words.length > 1) throw new CliError(EXIT.usage, 'usage: npx secai audit verify');
  const logs: ({ service: string } & VerifyResult)[] = [];
  for (const service of serviceNames) {
    if (service === 'store') continue; // keeps no decisions of its own
    const key = join(machine.home, 'keys', `${service}.audit.pem`);
    if (
      !(await access(key).then(
        () => true,
        () => false,
      ))
    )
      throw new CliError(EXIT.failed, `${machine.home} holds no audit keys; has the stack ever run here?`);
    const { publicKey } = await loadSigningKey(key);
    const result = await verifyAuditLog({
      dir: join(machine.home, 'audit', service),
      publicKey,
      origin: `secai/${service}`,
    });
    logs.push({ service, ...result });
  }
  const ok = logs.every((log) => log.ok);
  answer({ ok, logs }, () =>
    table(
      ['service', 'verdict', 'records', 'root or first bad place'],
      logs.map((log) =>
        log.ok
          ? [log.service, 'whole', String(log.size), log.root]
          : [log.service, 'BROKEN', '–', `${log.reason} (${JSON.stringify(log.where)})`],
      ),
    ),
  );
  return ok ? EXIT.ok : EXIT.failed;
}
