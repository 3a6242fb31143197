import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { createServer } from 'node:net';

/** True when nothing listens on this port of loopback. */
export function portIsFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(false));
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)));
  });
}

/** Who listens on a TCP port, e.g. `node (process 123)`, as far as /proc lets us see. */
export function holderOfPort(port: number): string {
  const inodes = new Set<string>();
  for (const table of ['/proc/net/tcp', '/proc/net/tcp6']) {
    for (const line of readLines(table).slice(1)) {
      const fields = line.trim().split(/\s+/);
      if (fields[3] === '0A' && Number.parseInt(fields[1]?.split(':').at(-1) ?? '', 16) === port)
        inodes.add(fields[9] ?? '');
    }
  }
  for (const pid of readDir('/proc').filter((name) => /^\d+$/.test(name))) {
    for (const fd of readDir(`/proc/${pid}/fd`)) {
      const inode = readLink(`/proc/${pid}/fd/${fd}`)?.match(/^socket:\[(\d+)\]$/)?.[1];
      if (inode && inodes.has(inode)) return `${readLines(`/proc/${pid}/comm`)[0] ?? 'a program'} (process ${pid})`;
    }
  }
  return 'another program';
}

function readLines(path: string): string[] {
  try {
    return readFileSync(path, 'utf8').split('\n').filter(Boolean);
  } catch {
    return [];
  }
}

function readDir(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return []; // gone, or another user's process
  }
}

function readLink(path: string): string | null {
  try {
    return readlinkSync(path);
  } catch {
    return null;
  }
}
