import { openAsBlob } from 'node:fs';
import { access, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { writeDurable } from '@secai/files';
import { serviceByName } from '@secai/topology';
import type { Home } from './home.ts';

/** Uploads a model file into quarantine with the operator's token, streaming. Throws with the service's own words when it is refused. */
export async function submitModel(
  home: Home,
  portOffset: number,
  file: string,
  name: string | undefined,
  signal: AbortSignal,
): Promise<{ id: string }> {
  const token = (await readFile(join(home.tokens, 'operator--quarantine'), 'utf8')).trim();
  const form = new FormData();
  if (name !== undefined) form.set('name', name);
  form.set('file', await openAsBlob(file), basename(file));
  const url = `http://127.0.0.1:${serviceByName('quarantine').port + portOffset}/v1/jobs`;
  const response = await fetch(url, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}` },
    body: form,
    signal,
  });
  const answer = (await response.json()) as { id: string; detail?: string };
  if (!response.ok) throw new Error(answer.detail ?? `quarantine answered ${response.status}`);
  return answer;
}

/** Submits the starter model once in the life of a SECAI_HOME: a person who removes it does not get it back. */
export async function importStarterOnce(
  home: Home,
  portOffset: number,
  file: string,
  name: string,
  signal: AbortSignal,
): Promise<boolean> {
  const marker = join(home.root, 'starter-model-submitted');
  try {
    await access(marker);
    return false;
  } catch {
    const job = await submitModel(home, portOffset, file, name, signal);
    await writeDurable(marker, `${job.id}\n`);
    return true;
  }
}
