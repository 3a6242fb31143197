import { readdirSync, readFileSync } from 'node:fs';

/** What a process and its descendants use now. */
export interface TreeUsage {
  /** Anonymous and shared memory in bytes; mapped files (a model) are the page cache's and not counted. */
  readonly memoryBytes: number;
  readonly cpuMs: number;
  readonly processes: number;
}

/** Clock ticks per second of /proc/[pid]/stat: 100 on every Linux that Node runs on (proc(5), USER_HZ). */
const TICKS_PER_SECOND = 100;

/**
 * Adds up `pid` and its descendants from /proc. A process that ends meanwhile counts as nothing.
 * Throws only when /proc itself cannot be read.
 */
export function readTree(pid: number): TreeUsage {
  let memoryBytes = 0;
  let ticks = 0;
  let processes = 0;
  const queue = [pid];
  for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
    try {
      const status = readFileSync(`/proc/${next}/status`, 'latin1');
      memoryBytes += (kib(status, 'RssAnon') + kib(status, 'RssShmem')) * 1024;
      ticks += cpuTicks(readFileSync(`/proc/${next}/stat`, 'latin1'));
      processes += 1;
      for (const thread of readdirSync(`/proc/${next}/task`)) {
        const children = readFileSync(`/proc/${next}/task/${thread}/children`, 'latin1');
        for (const child of children.split(' ')) if (child !== '') queue.push(Number(child));
      }
    } catch (error) {
      if (!isGone(error)) throw error;
    }
  }
  return { memoryBytes, cpuMs: (ticks * 1000) / TICKS_PER_SECOND, processes };
}

function kib(status: string, field: string): number {
  const match = new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(status);
  return match === null ? 0 : Number(match[1]);
}

/** Own and waited-for children's user and system time; the command's name may hold spaces and parentheses. */
function cpuTicks(stat: string): number {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
}

function isGone(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException).code;
  return code === 'ENOENT' || code === 'ESRCH';
}
