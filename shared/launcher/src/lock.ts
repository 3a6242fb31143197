import { readFileSync } from 'node:fs';
import { open, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';

export class AlreadyRunning extends Error {
  override name = 'AlreadyRunning';
}

/** When a process started, in clock ticks since boot (proc(5), field 22): a pid alone may have been given to someone else. */
function startTimeOf(pid: number): string | null {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)!.split(' ')[19] ?? null;
  } catch {
    return null;
  }
}

/** Takes the launcher's lock on a SECAI_HOME. Throws AlreadyRunning when a living launcher holds it. Returns its release. */
export async function takeLock(root: string): Promise<() => Promise<void>> {
  const path = join(root, 'launcher.lock');
  const mine = JSON.stringify({ pid: process.pid, started: startTimeOf(process.pid) });
  for (let attempt = 0; attempt < 5; attempt++) {
    try {
      const file = await open(path, 'wx', 0o600);
      await file.writeFile(mine);
      await file.close();
      return () => rm(path, { force: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    const holder = await holderOf(path);
    if (holder !== null)
      throw new AlreadyRunning(
        `SecAI OS already runs on ${root} (process ${holder}); stop it first, or set SECAI_HOME to another folder`,
      );
    await rm(path, { force: true });
  }
  throw new AlreadyRunning(`${path} keeps coming back; is another launcher starting?`);
}

async function holderOf(path: string): Promise<number | null> {
  try {
    const { pid, started } = JSON.parse(await readFile(path, 'utf8')) as { pid: number; started: string | null };
    return startTimeOf(pid) === started && started !== null ? pid : null;
  } catch {
    return null; // an empty file: its writer died between creating and writing it
  }
}
