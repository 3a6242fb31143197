import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildSafetensors } from '@secai/model-formats/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { QuarantineBench } from './support/bench.ts';

const MOUNT_MB = 8;
const disk = mkdtempSync(join(tmpdir(), 'secai-disk-'));

/** A disk of its own needs the right to mount; where that is missing the tests of a full disk are skipped, and say so. */
function mounted(): boolean {
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${MOUNT_MB}m`, 'tmpfs', disk], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

const small = mounted();
let bench: QuarantineBench;
beforeAll(async () => {
  bench = await QuarantineBench.start({ SECAI_DEPENDENCY_WAIT: '1' }, disk);
});
afterAll(async () => {
  await bench?.stop();
  if (small) execFileSync('umount', [disk]);
  rmSync(disk, { recursive: true, force: true });
});

describe.skipIf(!small)('a full disk', () => {
  const head = '--B\r\ncontent-disposition: form-data; name="file"; filename="big.gguf"\r\n\r\n';

  /** A chunked upload: nobody knows its length before. */
  function upload() {
    const headers = { ...bench.authorization, 'content-type': 'multipart/form-data; boundary=B' };
    const req = request(`${bench.quarantine.url}/v1/jobs`, { method: 'POST', headers });
    const answer = new Promise<{ status: number; code: string }>((resolve, reject) => {
      req.on('error', reject).on('response', (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
        response.on('end', () => resolve({ status: response.statusCode!, code: JSON.parse(text).code }));
      });
    });
    req.write(head);
    return { req, answer };
  }

  it('refuses a file that says how large it is before it travels', async () => {
    expect(await bench.post(new Uint8Array(20_000_000))).toMatchObject({ status: 507, body: { code: 'storage_full' } });
    expect(await bench.leftovers()).toEqual([]);
  });

  it('refuses one that does not say, when the room is used up', async () => {
    const { req, answer } = upload();
    req.end(Buffer.alloc(40_000_000));
    expect(await answer).toEqual({ status: 507, code: 'storage_full' });
    expect(await bench.leftovers()).toEqual([]);
  });

  it('refuses one for which the disk fills up in the middle', async () => {
    const { req, answer } = upload();
    req.write(Buffer.alloc(1_000_000));
    const filler = join(disk, 'filler');
    while ((await bench.leftovers()).length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    await writeFile(filler, Buffer.alloc(MOUNT_MB * 1024 * 1024)).catch(() => undefined);
    req.end(Buffer.alloc(6_000_000));
    expect(await answer).toEqual({ status: 507, code: 'storage_full' });
    expect(await bench.leftovers()).toEqual(['filler']);
    await rm(filler);
  });

  it('takes files again when there is room', async () => {
    expect(await bench.journey(buildSafetensors(), { name: 'fits' })).toMatchObject({ state: 'passed' });
  });
});

describe('a service that stays away', () => {
  it('fails the job after the wait, says why and keeps nothing', async () => {
    await bench.engine.end();
    const job = await bench.journey(buildSafetensors({ metadata: { n: '1' } }), { name: 'hopeless' });
    expect(job).toMatchObject({ state: 'failed', summary: expect.stringContaining('policy-engine did not answer') });
    expect(await bench.leftovers()).toEqual([]);
    await bench.engine.start();
    expect(await bench.journey(buildSafetensors({ metadata: { n: '1' } }), { name: 'hopeless' })).toMatchObject({
      state: 'passed',
    });
  });
});
