/** Runs inside the booted machine: waits for the stack, runs every check, reports, and returns; its unit then powers the machine off. */

import { uptime } from 'node:os';
import { runMatrix } from '../../boundaries/matrix.ts';
import { checkBadCases } from './bad-cases.ts';
import { checkIsolation } from './isolation.ts';
import { checkJourney, measure } from './measure.ts';
import { check, report } from './report.ts';
import { property, sh, until, userctl } from './shell.ts';

const startSeconds = 900;

const up = await check('secai.target is reached', async () => {
  await until('the user manager of secai', 120, () =>
    sh('systemctl', ['is-active', 'user@970.service']).out.trim() === 'active' ? true : undefined,
  );
  await until('secai.target', startSeconds, () =>
    property('secai.target', 'ActiveState') === 'active' ? true : undefined,
  );
  const seconds = Number(property('secai.target', 'ActiveEnterTimestampMonotonic')) / 1e6;
  report({ kind: 'measure', name: 'kernel start to secai.target', value: Math.round(seconds), unit: 's' });
  return `after ${seconds.toFixed(0)} s`;
});
if (up) {
  await checkIsolation();
  await runMatrix();
  await checkJourney();
  await measure();
  await checkBadCases();
}
report({ kind: 'note', text: sh('/usr/bin/secai', ['status']).out });
if (!up) {
  report({ kind: 'note', text: sh('journalctl', ['-b', '--no-pager', '-o', 'short-monotonic', '-n', '400']).out });
  report({ kind: 'note', text: userctl('list-jobs', '--no-pager').out });
}
report({ kind: 'done' });
