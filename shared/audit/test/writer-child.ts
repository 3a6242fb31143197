/**
 * A writer to be killed: `writer-child.ts DIR PEM-FILE WRITERS`. Prints `acked SEQ LEAFHASH` for each acknowledged
 * record and, when the log fails, `failed CODE`, and then tries once more and prints `again CODE`.
 */
import { writeSync } from 'node:fs';
import { loadSigningKey } from '@secai/signing';
import { type AuditError, openAuditLog } from '../src/index.ts';

const [dir, pem, writers] = process.argv.slice(2) as [string, string, string];
const log = await openAuditLog({
  dir,
  origin: 'test.secai.local',
  key: await loadSigningKey(pem),
  now: () => Date.now(),
  segmentBytes: 4096,
  checkpointEvery: 16,
});

await Promise.all(
  Array.from({ length: Number(writers) }, async (_, writer) => {
    try {
      for (let i = 0; ; i++) {
        const { seq, leafHash } = await log.append({ writer, i, text: 'x'.repeat(i % 90) });
        // Synchronous, so that what was acknowledged is known outside before anything else happens.
        writeSync(1, `acked ${seq} ${leafHash}\n`);
      }
    } catch (error) {
      writeSync(1, `failed ${(error as AuditError).code}\n`);
    }
  }),
);
await log.append({}).catch((error: AuditError) => writeSync(1, `again ${error.code}\n`));
await log.close();
