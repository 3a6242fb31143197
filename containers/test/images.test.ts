import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { buildImages } from '../build.ts';
import { type BaseManifest, checkBaseManifest } from '../src/base.ts';
import { BuildError } from '../src/host.ts';
import { sbomFolder } from '../src/paths.ts';
import { imagePackages, missingPackages } from '../system-packages.ts';

const recorded = JSON.parse(readFileSync(new URL('../base/manifest.json', import.meta.url), 'utf8')) as BaseManifest;
const canBuild = missingPackages(imagePackages).length === 0 && process.getuid?.() === 0;

describe('manifest of the base image', () => {
  const broken = (change: (manifest: BaseManifest) => void): (() => unknown) => {
    const copy = structuredClone(recorded);
    change(copy);
    return () => checkBaseManifest(copy);
  };

  it('accepts what is recorded', () => {
    expect(checkBaseManifest(structuredClone(recorded))).toEqual([]);
  });

  it('refuses an added, missing, changed or more permissive file and another Node', () => {
    expect(
      broken((one) => one.entries.push({ path: 'usr/bin/sh', kind: 'file', mode: '0755', sha256: 'aa', bytes: 1 })),
    ).toThrow(/usr\/bin\/sh is new/);
    expect(broken((one) => one.entries.pop())).toThrow(/is missing/);
    const file = (one: BaseManifest): { sha256: string; mode: string } =>
      one.entries.find((entry) => entry.kind === 'file' && entry.path.endsWith('libc.so.6')) as never;
    expect(
      broken((one) => {
        file(one).sha256 = 'aa';
      }),
    ).toThrow(/libc.so.6 has other content/);
    expect(
      broken((one) => {
        file(one).mode = '4755';
      }),
    ).toThrow(/changed its kind, mode or target/);
    expect(
      broken((one) => {
        one.node.upstream_sha256 = 'aa';
      }),
    ).toThrow(BuildError);
  });

  it('lets content move with a Debian update, says so, and refuses it when frozen', () => {
    const moved = structuredClone(recorded);
    const libc = moved.packages.find((one) => one.name === 'libc6')!;
    libc.version = '99';
    libc.sha256 = 'bb';
    (moved.entries.find((entry) => entry.path.endsWith('libc.so.6')) as { sha256: string }).sha256 = 'cc';
    expect(checkBaseManifest(moved)).toEqual([expect.stringContaining('Debian moved libc6')]);
    expect(() => checkBaseManifest(moved, { frozen: true })).toThrow(/Debian moved libc6/);
  });

  it('has no shell, no package manager and no setuid file', () => {
    const paths = recorded.entries.map((entry) => entry.path);
    expect(paths.filter((path) => /(^|\/)(sh|bash|dash|busybox|apt|dpkg|perl|python3?|curl|wget)$/.test(path))).toEqual(
      [],
    );
    expect(
      recorded.entries.filter(
        (entry) => entry.kind === 'file' && /^0?[4-7]\d{3}$/.test(entry.mode) && !entry.mode.startsWith('0'),
      ),
    ).toEqual([]);
  });
});

describe.skipIf(!canBuild)('image builds', () => {
  it('give the same digest twice, stay below their sizes and list their contents', async () => {
    const [first] = await buildImages({ only: [] });
    const [second] = await buildImages({ only: [] });
    expect(second?.digest).toBe(first?.digest);
    expect(second?.bytes).toBeLessThan(125e6);
    const file = `${sbomFolder}/base.cdx.json`;
    expect(existsSync(file)).toBe(true);
    const bill = JSON.parse(readFileSync(file, 'utf8')) as { components: { name: string }[] };
    expect(bill.components.map((one) => one.name)).toEqual(expect.arrayContaining(['libc6', 'node']));
  }, 60_000);
});
