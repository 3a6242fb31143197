/** Numbers of the running machine. */
import { readdirSync, readFileSync } from 'node:fs';
import { uplinkPackets } from './isolation.ts';
import { Journey } from './journey.ts';
import { check, expect, report } from './report.ts';

const model = '/usr/lib/secai-test/model.gguf';

/** A person's whole way with the airlock off: not one packet may leave. */
export async function checkJourney(): Promise<void> {
  const journey = new Journey({ host: '127.0.0.1', port: 8480 });
  const before = uplinkPackets();
  await check('a passphrase is chosen on the page', async () => {
    await journey.setUp('a long enough passphrase');
    return 'session open';
  });
  const imported = await check('a model passes the seven stages inside the machine', () =>
    journey.importModel(model, 'tiny', 900),
  );
  if (imported) {
    await check('the model answers in a chat', async () => {
      const { text, firstSeconds } = await journey.chat('tiny', 'Say hello.');
      report({
        kind: 'measure',
        name: 'first chat token, model not loaded before',
        value: Math.round(firstSeconds),
        unit: 's',
      });
      expect(text.length > 0, 'the answer is empty');
      return JSON.stringify(text.slice(0, 80));
    });
  }
  await check('the uplink stayed silent through all of it', () => {
    const packets = uplinkPackets() - before;
    expect(packets === 0, `${packets} packets`);
    return '0 packets';
  });
}

export async function measure(): Promise<void> {
  let total = 0;
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    const pss = pssOf(pid);
    if (pss !== undefined) total += pss;
  }
  report({ kind: 'measure', name: 'summed PSS of all containers', value: Math.round(total / 1024), unit: 'MB' });
}

/** kB of a process in one of the containers (host uid in the secai range), else undefined. */
function pssOf(pid: string): number | undefined {
  try {
    const uid = Number(/^Uid:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
    if (uid < 1_000_000 || uid >= 1_065_536) return undefined;
    return Number(/^Pss:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1] ?? 0);
  } catch {
    return undefined;
  }
}
