import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { DebianPackage } from './debian.ts';
import { sbomFolder } from './paths.ts';

export interface Contents {
  debian: { suite: string; packages: readonly DebianPackage[] }[];
  npm: readonly { name: string; version: string; license: string }[];
}

/** Writes a CycloneDX 1.6 document (https://cyclonedx.org/docs/1.6/json/) for one image and returns its path. */
export function writeSbom(image: string, digest: string, contents: Contents): string {
  const debian = contents.debian.flatMap(({ suite, packages }) =>
    packages.map((one) => ({
      type: 'library',
      name: one.name,
      version: one.version,
      purl: `pkg:deb/debian/${one.name}@${encodeURIComponent(one.version)}?arch=${one.architecture}&distro=${suite}`,
      hashes: [{ alg: 'SHA-256', content: one.sha256 }],
    })),
  );
  const npm = contents.npm.map((one) => ({
    type: 'library',
    name: one.name,
    version: one.version,
    purl: `pkg:npm/${one.name.replace('@', '%40')}@${one.version}`,
    licenses: [{ license: { name: one.license } }],
  }));
  const document = {
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    version: 1,
    metadata: { component: { type: 'container', name: `secai/${image}`, version: digest } },
    components: [...debian, ...npm],
  };
  mkdirSync(sbomFolder, { recursive: true });
  const file = join(sbomFolder, `${image}.cdx.json`);
  writeFileSync(file, `${JSON.stringify(document, null, 2)}\n`);
  return file;
}
