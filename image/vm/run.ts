/**
 * `npm run e2e:vm`: builds the images and the machine (cached), boots it, runs the acceptance checks inside, prints a table.
 * Exit code 0 when every check passed. --no-images keeps the images of the last build, --no-power-cut leaves out the first boot,
 * whose power is cut while the services start, --yes installs missing packages without asking.
 */
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { buildImages, sizeTable } from '../../containers/build.ts';
import { BuildError } from '../../containers/src/host.ts';
import { agreed, ensureSystemPackages, imagePackages, machinePackages } from '../../containers/system-packages.ts';
import type { Message } from '../../tests/vm/guest/report.ts';
import { buildMachine, machineFolder } from './src/machine.ts';
import { tinyModel } from './src/model.ts';
import { bootMachine } from './src/qemu.ts';

const bootMinutes = 45;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { 'no-images': { type: 'boolean' }, 'no-power-cut': { type: 'boolean' }, yes: { type: 'boolean' } },
  });
  await ensureSystemPackages([...imagePackages, ...machinePackages], { yes: agreed() });
  const seconds = stopwatch();
  if (!values['no-images']) console.log(sizeTable(await buildImages()));
  console.log(`images: ${seconds()} s`);
  const machine = buildMachine({ files: [{ from: tinyModel(), to: 'usr/lib/secai-test/model.gguf' }] });
  console.log(`disks: ${seconds()} s`);

  const checks: Extract<Message, { kind: 'check' }>[] = [];
  let done = false;
  const consoleLog = join(machineFolder, 'console.log');
  const settings = { memoryMb: 6144, timeoutMs: bootMinutes * 60_000, consoleLog };
  if (!values['no-power-cut']) {
    // In the middle of the first start: databases, volumes and keys are being made.
    const until = await bootMachine(machine, {
      ...settings,
      onLine: (line) => console.log(describe(JSON.parse(line) as Message)),
      cutPowerAt: (line) => / store:start/.test(line),
    });
    console.log(`machine: power cut after ${until.toFixed(0)} s, while the services started; booting again`);
  }
  const ran = await bootMachine(machine, {
    ...settings,
    onLine: (line) => {
      const message = JSON.parse(line) as Message;
      if (message.kind === 'check') checks.push(message);
      if (message.kind === 'done') done = true;
      console.log(describe(message));
    },
  });
  const failed = checks.filter((one) => !one.ok).length;
  console.log(`machine: powered off after ${ran.toFixed(0)} s`);
  console.log(`${checks.length - failed} passed, ${failed} failed, 0 skipped`);
  if (!done) throw new Error(`The machine stopped before its checks were through; its console is in ${consoleLog}`);
  if (failed > 0) process.exitCode = 1;
}

function describe(message: Message): string {
  switch (message.kind) {
    case 'check':
      return `${message.ok ? 'ok  ' : 'FAIL'} ${message.name} (${message.seconds} s): ${message.detail}`;
    case 'measure':
      return `     ${message.name}: ${message.value} ${message.unit}`.trimEnd();
    case 'note':
      return message.text;
    case 'done':
      return 'checks are through';
  }
}

function stopwatch(): () => string {
  let last = performance.now();
  return () => {
    const now = performance.now();
    const seconds = ((now - last) / 1000).toFixed(0);
    last = now;
    return seconds;
  };
}

await main().catch((error: unknown) => {
  console.error(error instanceof BuildError || error instanceof Error ? error.message : error);
  process.exitCode = 1;
});
