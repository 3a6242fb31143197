import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { services } from '../services.ts';
import { composeFile } from './compose.ts';
import { containerFirewall } from './container-firewall.ts';
import { formattedJson } from './json.ts';
import { containerUnit, mainTarget, networkUnits, unitName, volumeUnits } from './quadlets.ts';
import { readmeWithServices } from './readme.ts';
import { seccompProfile } from './seccomp.ts';
import { secretsPlan } from './secrets.ts';

const README = join(import.meta.dirname, '../../../../README.md');

/** Folders that hold nothing but emitted files; what is not in `emittedFiles` is stale there. */
export const emittedFolders = ['quadlets/secai', 'quadlets/units', 'quadlets/nft', 'quadlets/seccomp'] as const;

/** Every emitted file: path in the repository → content. */
export function emittedFiles(): Map<string, string> {
  const files: [string, string][] = [
    ...services.map((service): [string, string] => [
      `quadlets/secai/${unitName(service.name)}.container`,
      containerUnit(service),
    ]),
    ...networkUnits().map(([name, text]): [string, string] => [`quadlets/secai/${name}`, text]),
    ...volumeUnits().map(([name, text]): [string, string] => [`quadlets/secai/${name}`, text]),
    ['quadlets/units/secai.target', mainTarget()],
    ...services.map((service): [string, string] => [`quadlets/nft/${service.name}.nft`, containerFirewall(service)]),
    ...services.map((service): [string, string] => [
      `quadlets/seccomp/${service.name}.json`,
      formattedJson(seccompProfile(service)),
    ]),
    ['quadlets/secrets.plan', secretsPlan()],
    ['compose-dev.yml', composeFile()],
    ['README.md', readmeWithServices(readFileSync(README, 'utf8'))],
  ];
  return new Map(files);
}
