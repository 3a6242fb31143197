import { mkdirSync } from 'node:fs';
import { run } from './host.ts';
import { imageStore } from './paths.ts';

export interface BuiltImage {
  name: string;
  /** Digest of the manifest: what a unit names. */
  digest: string;
  layers: { digest: string; bytes: number }[];
  bytes: number;
}

const storage = ['--root', imageStore, '--runroot', `${imageStore}-run`, '--storage-driver', 'overlay'];

export function imageReference(name: string): string {
  return `localhost/secai/${name}:latest`;
}

/** Builds one image in the store. Nothing is executed inside it and nothing is pulled; the same context gives the same digest. */
export function buildImage(
  name: string,
  containerfile: string,
  context: string,
  args: Record<string, string> = {},
): BuiltImage {
  mkdirSync(imageStore, { recursive: true });
  run('buildah', [
    ...storage,
    'build',
    '--isolation=chroot',
    '--pull-never',
    '--format=oci',
    '--timestamp=0',
    '--layers=false',
    '--quiet',
    '--identity-label=false',
    ...Object.entries(args).map(([key, value]) => `--build-arg=${key}=${value}`),
    `--tag=${imageReference(name)}`,
    `--file=${containerfile}`,
    context,
  ]);
  return inspectImage(name);
}

/** Removes images that no name points to any more. */
export function pruneImages(): void {
  run('buildah', [...storage, 'rmi', '--prune']);
}

export function inspectImage(name: string): BuiltImage {
  const { FromImageDigest: digest, Manifest: manifest } = JSON.parse(
    run('buildah', [...storage, 'inspect', '--type=image', imageReference(name)]),
  ) as { FromImageDigest: string; Manifest: string };
  const { layers } = JSON.parse(manifest) as { layers: { digest: string; size: number }[] };
  return {
    name,
    digest,
    layers: layers.map((layer) => ({ digest: layer.digest, bytes: layer.size })),
    bytes: layers.reduce((sum, layer) => sum + layer.size, 0),
  };
}
