/** Numbers of the running machine. */
import { readdirSync, readFileSync } from 'node:fs';
import { report } from './report.ts';
import { must } from './shell.ts';

export async function measure(): Promise<void> {
  const containers = must('sh', ['-c', 'cat /proc/[0-9]*/status 2>/dev/null | grep -c "^Uid:.10002" || true']).trim();
  report({ kind: 'measure', name: 'processes in containers', value: Number(containers), unit: '' });
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
