/**
 * Builds every container image of the topology without a registry: `node containers/build.ts [--only a,b] [--fresh] [--accept] [--frozen] [--key FILE] [--yes]`.
 * --fresh fetches the Debian packages again, --accept records the base image's new manifest, --frozen refuses any package that moved,
 * --key signs each image's digest with cosign.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { services } from '../shared/topology/src/index.ts';
import { buildBaseRoot, checkBaseManifest, writeBaseManifest } from './src/base.ts';
import { type BuiltImage, buildImage, imageReference, pruneImages } from './src/buildah.ts';
import { buildApp } from './src/bundle.ts';
import { BuildError, run } from './src/host.ts';
import { buildLlamaRoot } from './src/llama.ts';
import { cacheFolder, containersFolder, digestsFile, repository } from './src/paths.ts';
import { buildPostgresRoot } from './src/postgres.ts';
import { type Contents, writeSbom } from './src/sbom.ts';
import { agreed, ensureSystemPackages, imagePackages } from './system-packages.ts';

const limitMb = { base: 125, serviceLayer: 5 };

export interface BuildOptions {
  /** Names of services; all when absent. Base images are always built. */
  only?: readonly string[];
  fresh?: boolean;
  accept?: boolean;
  frozen?: boolean;
  key?: string;
}

/** Builds the images and writes digests.json and one SBOM each into the cache. Throws BuildError. */
export async function buildImages(options: BuildOptions = {}): Promise<BuiltImage[]> {
  const context = join(cacheFolder, 'images');
  mkdirSync(context, { recursive: true });
  const built: BuiltImage[] = [];
  const finish = (image: BuiltImage, contents: Contents): BuiltImage => {
    built.push(image);
    writeSbom(image.name, image.digest, contents);
    return image;
  };

  const base = buildBaseRoot(options);
  if (options.accept) writeBaseManifest(base.manifest);
  for (const note of checkBaseManifest(base.manifest, options)) console.log(`note: ${note}`);
  const node = { name: 'node', version: base.manifest.node.version, license: 'MIT' };
  const baseContents: Contents = { debian: [{ suite: 'trixie', packages: base.manifest.packages }], npm: [node] };
  const baseImage = finish(buildFrom('base', base.root), baseContents);
  requireSize('base', baseImage.bytes, limitMb.base);

  const wanted = services.filter((service) => !options.only || options.only.includes(service.name));
  let llamaContents = baseContents;
  if (wanted.some((service) => service.engine)) {
    const llama = buildLlamaRoot(options);
    llamaContents = { ...baseContents, debian: [...baseContents.debian, { suite: 'forky', packages: llama.packages }] };
    finish(buildFrom('llama-server', llama.root), llamaContents);
  }
  for (const service of wanted) {
    if (service.image === 'postgres') {
      const postgres = buildPostgresRoot(options);
      const image = buildFrom('postgres', postgres.root, service.name);
      finish(image, { debian: [{ suite: 'trixie', packages: postgres.packages }], npm: [] });
      continue;
    }
    if (!existsSync(join(repository, 'services', service.name, 'src/main.ts'))) {
      console.log(`note: services/${service.name}/src/main.ts does not exist yet; no image for ${service.name}`);
      continue;
    }
    const app = await buildApp(service.name);
    let below = service.engine ? 'llama-server' : 'base';
    if (app.needsPackages) {
      const packages = buildImage(
        `${service.name}-packages`,
        join(containersFolder, 'packages/Containerfile'),
        app.context,
        {
          BASE: imageReference(below),
        },
      );
      below = packages.name;
    }
    const image = buildImage(service.name, join(containersFolder, 'service/Containerfile'), app.context, {
      BASE: imageReference(below),
    });
    const contents = service.engine ? llamaContents : baseContents;
    finish(image, { ...contents, npm: [...contents.npm, ...app.npmPackages] });
    requireSize(`the layer of ${service.name}`, image.layers.at(-1)!.bytes, limitMb.serviceLayer);
  }
  pruneImages();
  const known = existsSync(digestsFile)
    ? (JSON.parse(readFileSync(digestsFile, 'utf8')) as Record<string, string>)
    : {};
  for (const image of built) known[image.name] = image.digest;
  writeFileSync(digestsFile, `${JSON.stringify(known, null, 2)}\n`);
  if (options.key) for (const image of built) signDigest(image, options.key);
  return built;
}

function buildFrom(folder: string, root: string, name = folder): BuiltImage {
  return buildImage(name, join(containersFolder, folder, 'Containerfile'), stage(root), {});
}

/** buildah wants the root below its context: `COPY root/ /`. */
function stage(root: string): string {
  const context = `${root}-context`;
  run('rm', ['-rf', context]);
  mkdirSync(context, { recursive: true });
  run('cp', ['-a', '--reflink=auto', root, join(context, 'root')]);
  return context;
}

function signDigest(image: BuiltImage, key: string): void {
  const blob = join(cacheFolder, 'images/signatures', `${image.name}.digest`);
  mkdirSync(dirname(blob), { recursive: true });
  writeFileSync(blob, image.digest);
  run('cosign', ['sign-blob', '--yes', '--tlog-upload=false', '--key', key, '--output-signature', `${blob}.sig`, blob]);
}

function requireSize(what: string, bytes: number, limit: number): void {
  if (bytes > limit * 1e6) {
    throw new BuildError('too_large', `${what} is ${(bytes / 1e6).toFixed(1)} MB; the limit is ${limit} MB`);
  }
}

/** One line per image: size, size of its own top layer, digest. */
export function sizeTable(images: readonly BuiltImage[]): string {
  const mb = (bytes: number): string => (bytes / 1e6).toFixed(1).padStart(8);
  const rows = images.map(
    (image) =>
      `${image.name.padEnd(22)}${mb(image.bytes)}${mb(image.layers.at(-1)!.bytes)}  ${image.digest.slice(0, 19)}`,
  );
  return [`${'image'.padEnd(22)}${'MB'.padStart(8)}${'own MB'.padStart(8)}  digest`, ...rows].join('\n');
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      only: { type: 'string' },
      fresh: { type: 'boolean' },
      accept: { type: 'boolean' },
      frozen: { type: 'boolean' },
      key: { type: 'string' },
      yes: { type: 'boolean' },
    },
  });
  await ensureSystemPackages(imagePackages, { yes: agreed() });
  console.log(sizeTable(await buildImages({ ...values, only: values.only?.split(',') })));
}

if (import.meta.main) {
  await main().catch((error: unknown) => {
    console.error(error instanceof BuildError ? error.message : error);
    process.exitCode = 1;
  });
}
