import { fileURLToPath } from 'node:url';

const at = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url));

/** The checkout, without a trailing slash. */
export const repository = at('../..').replace(/\/$/, '');
export const containersFolder = `${repository}/containers`;
/** What builds keep between runs; safe to delete. */
export const cacheFolder = `${repository}/.cache`;
/** containers/storage folder (driver overlay) that holds every image; shipped as it is as the read-only image store. */
export const imageStore = `${cacheFolder}/images/store`;
export const sbomFolder = `${cacheFolder}/images/sbom`;
/** `{name: "sha256:…"}` of the newest build. */
export const digestsFile = `${cacheFolder}/images/digests.json`;
