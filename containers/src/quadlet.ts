import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { debianRoot } from './debian.ts';

/**
 * The Quadlet generator of the podman that ships (Debian trixie's 5.4); one binary that needs only a C library.
 * Undefined where mmdebstrap is not installed, since it comes from Debian's package.
 */
export function quadletGenerator(): string | undefined {
  if (!existsSync('/usr/bin/mmdebstrap')) return undefined;
  return join(debianRoot({ suite: 'trixie', packages: ['podman'] }).root, 'usr/libexec/podman/quadlet');
}
