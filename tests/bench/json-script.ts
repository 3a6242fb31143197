import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { repository } from '../support/stack.ts';

/** Runs a package's own bench script and gives its standard output. */
export async function benchScript(path: string): Promise<string> {
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', join(repository, path)],
    { cwd: repository, maxBuffer: 16 * 1024 * 1024 },
  );
  return stdout.trim();
}
