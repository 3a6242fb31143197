import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { quadletGenerator } from '../../containers/src/quadlet.ts';
import { services } from '../../shared/topology/src/index.ts';

const units = fileURLToPath(new URL('../secai', import.meta.url));
const generator = quadletGenerator();

/** Runs the generator as the user manager would, without writing anything. */
function generate(folder: string): { code: number | null; out: string; err: string } {
  const result = spawnSync(generator!, ['--user', '--dryrun'], {
    encoding: 'utf8',
    env: { QUADLET_UNIT_DIRS: folder, HOME: '/nonexistent' },
  });
  return { code: result.status, out: result.stdout, err: result.stderr };
}

/** Unit name → its text. */
function unitsOf(out: string): Map<string, string> {
  const parts = out.split(/^---(.+)---$/m).slice(1);
  return new Map(
    parts.flatMap((text, index) => (index % 2 === 0 ? [[text, parts[index + 1] ?? ''] as [string, string]] : [])),
  );
}

// mmdebstrap brings the generator; without it `npm run e2e:vm` runs the same units on the real machine.
describe.skipIf(!generator)('the generator of podman 5.4', () => {
  let made: Map<string, string>;
  beforeAll(() => {
    const result = generate(units);
    expect(result.code, result.err).toBe(0);
    made = unitsOf(result.out);
  });
  const copies: string[] = [];
  afterAll(() => {
    for (const copy of copies) rmSync(copy, { recursive: true, force: true });
  });

  it('makes a service of every file', () => {
    const expected = readdirSync(units).map((file) =>
      file.replace(/\.container$/, '.service').replace(/\.(network|volume)$/, '-$1.service'),
    );
    expect([...made.keys()].sort()).toEqual(expected.sort());
  });

  it('runs podman as recorded', async () => {
    // The generator walks a Go map for some options, so their order changes from run to run.
    const flagsOf = (text: string): string[] => /^ExecStart=(.*)$/m.exec(text)?.[1]?.split(/ (?=--)/) ?? [];
    const sorted = ([program, ...flags]: string[]): string =>
      [program, ...flags.slice(0, -1).sort(), ...flags.slice(-1)].join(' \\\n  ');
    const commands = [...made]
      .map(([name, text]) => `# ${name}\n${sorted(flagsOf(text))}\n`)
      .sort()
      .join('\n');
    await expect(commands).toMatchFileSnapshot('podman-5.4.golden');
  });

  it.each(services.map((service) => service.name))('confines %s on the command line', (name) => {
    const command = /^ExecStart=(.*)$/m.exec(made.get(`secai-${name}.service`) ?? '')?.[1] ?? '';
    for (const flag of [
      '--read-only',
      '--cap-drop all',
      '--security-opt=no-new-privileges',
      '--pull never',
      '--sdnotify=healthy',
      '--cgroups=split',
      '--memory=',
      '--pids-limit',
      '--dns none',
    ]) {
      expect(command).toContain(flag);
    }
    expect(command).not.toMatch(/--privileged|--network(=| )(host|slirp|pasta)|seccomp=unconfined/);
  });

  it('drops a unit with a key it does not know, which this test would see', () => {
    const copy = mkdtempSync(join(tmpdir(), 'quadlet-'));
    copies.push(copy);
    cpSync(units, copy, { recursive: true });
    writeFileSync(join(copy, 'secai-extra.container'), '[Container]\nImage=localhost/secai/base\nMemory=1g\n');
    const result = generate(copy);
    expect(result.code).not.toBe(0);
    expect(unitsOf(result.out).has('secai-extra.service')).toBe(false);
  });
});
