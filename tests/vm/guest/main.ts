/** Runs inside the booted machine: waits for the stack, runs every check, reports, and returns; its unit then powers the machine off. */

import { uptime } from 'node:os';
import { runMatrix } from '../../boundaries/matrix.ts';
import { checkBadCases } from './bad-cases.ts';
import { checkIsolation } from './isolation.ts';
import { checkJourney, measure } from './measure.ts';
import { checkPlatform } from './platform.ts';
import { check, report } from './report.ts';
import { property, sh, until, userctl } from './shell.ts';

const startSeconds = 1500;

const up = await check('secai.target is reached', async () => {
  await until('the user manager of secai', 120, () =>
    sh('systemctl', ['is-active', 'user@970.service']).out.trim() === 'active' ? true : undefined,
  );
  let shown = '';
  await until('secai.target', startSeconds, () => {
    const states = unitStates();
    if (states !== shown) report({ kind: 'note', text: `     ${Math.round(uptime())} s ${states}` });
    shown = states;
    if (/secrets:failed|gate:failed/.test(states)) throw new Error(`it cannot be reached: ${states}`);
    return property('secai.target', 'ActiveState') === 'active' ? true : undefined;
  });
  const seconds = Number(property('secai.target', 'ActiveEnterTimestampMonotonic')) / 1e6;
  report({ kind: 'measure', name: 'kernel start to secai.target', value: Math.round(seconds), unit: 's' });
  return `after ${seconds.toFixed(0)} s`;
});
if (up) {
  await checkPlatform();
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

/** `registry:start ui:waiting …` */
function unitStates(): string {
  const columns = userctl('list-units', '--all', '--plain', '--no-legend', 'secai-*.service')
    .out.split('\n')
    .map((line) => line.split(/\s+/));
  return columns
    .filter((one) => one.length > 3)
    .map((one) => `${one[0]!.replace(/^secai-|\.service$/g, '')}:${one[3]}`)
    .join(' ');
}
