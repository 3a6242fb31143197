import { spawnSync } from 'node:child_process';
import { existsSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { BuildError } from '../../../containers/src/host.ts';
import { llamaPackages } from '../../../containers/src/llama.ts';
import { cacheFolder } from '../../../containers/src/paths.ts';

const starter = join(cacheFolder, 'models/SmolLM2-135M-Instruct.Q4_1.gguf');
const removedLayers = { first: 4, last: 25 };

/**
 * The starter model with 8 of its 30 layers, for a processor that is emulated: it is a real GGUF that loads, computes and stops, but what
 * it writes makes no sense. Undefined when the starter model is not in the cache. Throws BuildError when llama-quantize fails.
 */
export function smallModel(): string | undefined {
  if (!existsSync(starter)) return undefined;
  const file = join(cacheFolder, 'models/SmolLM2-8-layers.gguf');
  if (existsSync(file)) return file;
  const { root } = llamaPackages();
  const libraries = join(root, 'usr/lib/x86_64-linux-gnu');
  const layers = Array.from(
    { length: removedLayers.last - removedLayers.first + 1 },
    (_, index) => removedLayers.first + index,
  );
  const result = spawnSync(
    join(root, 'usr/lib64/ld-linux-x86-64.so.2'),
    [
      ...['--library-path', `${libraries}:${libraries}/llama`, join(root, 'usr/bin/llama-quantize')],
      ...['--allow-requantize', '--prune-layers', layers.join(','), starter, `${file}.new`, 'COPY'],
    ],
    { encoding: 'utf8' },
  );
  if (result.status !== 0)
    throw new BuildError(
      'command_failed',
      `llama-quantize ended with code ${result.status}: ${result.stderr.slice(-500)}`,
    );
  renameSync(`${file}.new`, file);
  return file;
}
