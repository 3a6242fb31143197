/** What the machine is made of: firmware, TPM, disks, units. */
import { existsSync, readdirSync } from 'node:fs';
import { check, expect, report } from './report.ts';
import { asUser, must, sh } from './shell.ts';

const generated = '/run/user/970/systemd/generator';

export async function checkPlatform(): Promise<void> {
  await check('UEFI, a TPM 2.0 and the data disk are there', () => {
    expect(existsSync('/sys/firmware/efi'), 'not started by UEFI');
    const pcr = must('tpm2_pcrread', ['sha256:7']).trim().split(/\s+/).at(-1) ?? '';
    expect(/^0x[0-9A-F]{64}$/.test(pcr), `PCR 7: ${pcr}`);
    const mounted = must('findmnt', ['-no', 'SOURCE,OPTIONS', '/var/lib/secai']).trim();
    expect(mounted.includes('nosuid') && mounted.includes('nodev'), mounted);
    return `PCR 7 ${pcr.slice(0, 12)}…, ${mounted.split(/\s+/)[0]}`;
  });

  await check('systemd finds no fault in the units', () => {
    const system = ['secai-firewall.service', 'secai-netns.service', 'secai-ui.socket', 'secai-ui.service'];
    const ours = (text: string): string[] => text.split('\n').filter((line) => /secai|podman/.test(line));
    const faults = ours(sh('systemd-analyze', ['verify', '--man=no', ...system]).err);
    const user = readdirSync(generated).filter((name) => name.endsWith('.service'));
    const files = [
      ...user.map((name) => `${generated}/${name}`),
      ...[
        'secai.target',
        'secai-attested.target',
        'secai-gate.service',
        'secai-secrets.service',
        'secai-heal.timer',
      ].map((name) => `/usr/lib/systemd/user/${name}`),
    ];
    const verify = ['systemd-analyze', '--user', 'verify', '--man=no', '--recursive-errors=no', ...files];
    faults.push(...ours(sh('nsenter', asUser('secai', verify)).err));
    expect(faults.length === 0, faults.slice(0, 5).join('; '));
    return `${system.length} system units, ${files.length} user units`;
  });

  await check('the exposure of the socket proxy is low', () => {
    const table = sh('systemd-analyze', ['security', '--no-pager', 'secai-ui.service']).out;
    const exposure = Number(/Overall exposure level for secai-ui.service: ([\d.]+)/.exec(table)?.[1]);
    report({
      kind: 'measure',
      name: 'exposure of secai-ui.service (systemd-analyze, 0 best)',
      value: exposure,
      unit: '',
    });
    expect(exposure <= 2.5, `exposure ${exposure}`);
    return String(exposure);
  });
}
