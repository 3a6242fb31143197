import { readFileSync } from 'node:fs';
import type { Supervised } from './supervised.ts';

export interface ServiceRow {
  service: string;
  port: number | null;
  state: string;
  pid: number | null;
  memory_mb: number | null;
  restarts: number;
  detail: string;
}

/** Resident memory of a process in MB (proc(5), VmRSS), or null when it is gone. */
export function residentMb(pid: number | undefined): number | null {
  if (pid === undefined) return null;
  try {
    const kb = readFileSync(`/proc/${pid}/status`, 'utf8').match(/^VmRSS:\s+(\d+) kB/m)?.[1];
    return kb === undefined ? null : Math.round(Number(kb) / 1024);
  } catch {
    return null;
  }
}

export function rowOf(supervised: Supervised, portOffset: number): ServiceRow {
  const { service } = supervised;
  return {
    service: service.name,
    port: service.name === 'store' ? null : service.port + portOffset, // the embedded store listens on a unix socket
    state: supervised.state,
    pid: supervised.pid ?? null,
    memory_mb: residentMb(supervised.pid),
    restarts: supervised.restarts,
    detail: supervised.detail,
  };
}

/** The table that `npm start` and `npx secai status` print. */
export function formatTable(rows: ServiceRow[]): string {
  const cells = [
    ['service', 'port', 'state', 'memory'],
    ...rows.map((row) => [
      row.service,
      row.port === null ? 'socket' : String(row.port),
      row.state,
      row.memory_mb === null ? '–' : `${row.memory_mb} MB`,
    ]),
  ];
  const widths = [0, 1, 2, 3].map((column) => Math.max(...cells.map((row) => row[column]!.length)));
  const line = (row: string[]) =>
    `  ${row.map((cell, i) => (i === 1 || i === 3 ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!))).join('  ')}`.trimEnd();
  const rule = `  ${widths.map((width) => '─'.repeat(width)).join('  ')}`;
  return [line(cells[0]!), rule, ...cells.slice(1).map(line)].join('\n');
}
