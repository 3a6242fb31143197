import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, createWriteStream, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Machine } from './machine.ts';

export interface BootOptions {
  memoryMb: number;
  /** The machine is killed after it. */
  timeoutMs: number;
  /** File that receives the console. */
  consoleLog: string;
  /** Each line the guest writes to the port `org.secai.results`. */
  onLine: (line: string) => void;
  /** The power is cut at the first line for which it answers true; `bootMachine` then resolves. */
  cutPowerAt?: (line: string) => boolean;
}

const stopSignals = ['SIGINT', 'SIGTERM'] as const;

/** The outside world as the machine sees it: TEST-NET-3, with one HTTPS-port answerer and nothing else. */
export const outside = {
  network: '203.0.113.0/24',
  gateway: '203.0.113.2',
  resolver: '203.0.113.3',
  server: '203.0.113.100',
} as const;

/**
 * Boots the machine with UEFI, a virtual TPM 2.0 and both disks under QEMU's software CPU, and returns when it has powered off.
 * Resolves with the seconds it ran; rejects when it did not power off by itself in time.
 */
export async function bootMachine(machine: Machine, options: BootOptions): Promise<number> {
  const work = mkdtempSync(join(tmpdir(), 'secai-vm-'));
  const started = performance.now();
  const children: ChildProcess[] = [];
  let cut = false;
  // Ctrl-C ends the machine, and with it this function, which then cleans up.
  const stop = (): void => {
    for (const child of children) child.kill('SIGKILL');
  };
  const results = createServer((socket) =>
    createInterface({ input: socket }).on('line', (line) => {
      options.onLine(line);
      if (!options.cutPowerAt?.(line)) return;
      cut = true;
      stop();
    }),
  );
  try {
    results.listen(join(work, 'results'));
    await once(results, 'listening');
    mkdirSync(join(work, 'tpm'));
    const tpm = spawn(
      'swtpm',
      ['socket', '--tpm2', '--tpmstate', `dir=${work}/tpm`, '--ctrl', `type=unixio,path=${work}/tpm/sock`],
      { stdio: 'ignore' },
    );
    children.push(tpm);
    await waitForPath(join(work, 'tpm/sock'));
    copyFileSync('/usr/share/OVMF/OVMF_VARS_4M.fd', join(work, 'vars.fd'));
    writeFileSync(join(work, 'answer'), 'HTTP/1.0 204 outside\r\n\r\n');
    const qemu = spawn('nice', ['-n', '5', 'qemu-system-x86_64', ...qemuArguments(machine, options, work)], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    children.push(qemu);
    const log = createWriteStream(options.consoleLog);
    qemu.stdout?.pipe(log, { end: false });
    qemu.stderr?.pipe(log, { end: false });
    const timer = setTimeout(stop, options.timeoutMs);
    for (const name of stopSignals) process.on(name, stop);
    const [code, signal] = (await once(qemu, 'exit')) as [number | null, string | null];
    clearTimeout(timer);
    log.end();
    if (code !== 0 && !cut) {
      const why = signal
        ? `was stopped before it powered off (limit ${options.timeoutMs / 1000} s)`
        : `ended with code ${code}`;
      throw new Error(`The machine ${why}; its console is in ${options.consoleLog}`);
    }
    return (performance.now() - started) / 1000;
  } finally {
    for (const name of stopSignals) process.off(name, stop);
    stop();
    await closed(results);
    rmSync(work, { recursive: true, force: true });
  }
}

function qemuArguments(machine: Machine, options: BootOptions, work: string): string[] {
  return [
    ...[
      '-accel',
      'tcg,thread=multi,tb-size=1024',
      '-cpu',
      'max',
      '-machine',
      'q35',
      '-smp',
      '2',
      '-m',
      String(options.memoryMb),
    ],
    ...['-drive', 'if=pflash,format=raw,readonly=on,file=/usr/share/OVMF/OVMF_CODE_4M.fd'],
    ...['-drive', `if=pflash,format=raw,file=${work}/vars.fd`],
    ...['-kernel', machine.kernel, '-initrd', machine.initrd],
    ...['-append', 'root=LABEL=secai-root rw console=ttyS0 systemd.show_status=0 quiet mitigations=off'],
    ...['-drive', `file=${machine.rootDisk},if=virtio,format=raw,cache=unsafe`],
    ...['-drive', `file=${machine.dataDisk},if=virtio,format=raw,cache=unsafe`],
    ...[
      '-netdev',
      `user,id=uplink,net=${outside.network},dhcpstart=203.0.113.15,restrict=on,guestfwd=tcp:${outside.server}:443-cmd:cat ${work}/answer`,
    ],
    ...['-device', 'virtio-net-pci,netdev=uplink,romfile='],
    ...[
      '-chardev',
      `socket,id=chrtpm,path=${work}/tpm/sock`,
      '-tpmdev',
      'emulator,id=tpm0,chardev=chrtpm',
      '-device',
      'tpm-tis,tpmdev=tpm0',
    ],
    ...['-device', 'virtio-serial', '-chardev', `socket,id=results,path=${work}/results`],
    ...['-device', 'virtserialport,chardev=results,name=org.secai.results'],
    ...['-nographic', '-no-reboot'],
  ];
}

async function waitForPath(path: string): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (!existsSync(path)) {
    if (performance.now() > deadline) throw new Error(`${path} did not appear within 10 s; does swtpm run?`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

function closed(server: Server): Promise<void> {
  return new Promise((resolve) => server.close(() => resolve()));
}
