import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const FILE = 'SmolLM2-135M-Instruct.Q4_1.gguf';

/**
 * Where the small real model lies: under the directory given (SECAI_MODEL_CACHE, read by the caller), else in the
 * checkout's cache. Throws when it is not there: a test that needs it must not pass without it.
 */
export function smolModelPath(cache: string | undefined): string {
  const directory = cache ?? fileURLToPath(new URL('../../../../.cache/models', import.meta.url));
  const path = `${directory}/${FILE}`;
  if (!existsSync(path)) {
    throw new Error(
      `the test model is not at ${path}; "npm test" fetches it, or set SECAI_MODEL_CACHE to its directory`,
    );
  }
  return path;
}
