import { execFileSync } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { existsSync, linkSync, symlinkSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readAuditLog } from '@secai/audit';
import type { Problem } from '@secai/contracts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { verifies } from '../../../tests/claims.ts';
import type { PromotionRequest } from '../src/promotion.ts';
import { digestOf, RegistryBench } from './support/promotions.ts';

let bench: RegistryBench;
beforeAll(async () => {
  bench = await RegistryBench.start();
});
afterAll(() => bench?.stop());

const reader = () => bench.registry.client('operator');
const person = () => bench.registry.client('ui');
const manifestPath = () => join(bench.registry.environment.dir, 'state/manifest.json');

async function refused(work: Promise<unknown>): Promise<Problem> {
  return work.then(
    () => expect.fail('it was not refused'),
    (error: Problem) => error,
  );
}

async function auditEvents(): Promise<Record<string, unknown>[]> {
  const events: Record<string, unknown>[] = [];
  for await (const record of readAuditLog({ dir: join(bench.registry.environment.dir, 'audit') })) events.push(record);
  return events;
}

async function verify(name: string) {
  const { job_id } = await reader().verify({ params: { name } });
  const deadline = performance.now() + 10_000;
  for (;;) {
    const result = await reader().verification({ params: { id: job_id } });
    if (result.state !== 'running') return result;
    if (performance.now() > deadline) expect.fail('the verification does not end');
  }
}

verifies(['service.registry', 'boundary.promotion'], 'promotion', () => {
  it('pins a copy that is read-only, named by digest and listed', async () => {
    const bytes = randomBytes(3_000_001);
    const request = await bench.scanned('good-1', bytes);
    const model = await bench.promote(request);
    expect(model).toMatchObject({ name: 'good-1', sha256: digestOf(bytes), size: bytes.length, state: 'available' });
    expect(model).toMatchObject({
      file: `${digestOf(bytes).slice(7)}.gguf`,
      job_id: request.job_id,
      signature: 'missing',
    });
    const path = join(bench.models, model.file);
    expect(await readFile(path)).toEqual(bytes);
    expect((await stat(path)).mode & 0o777).toBe(0o444);
    const before = await reader().list();
    expect(before.models.map(({ name }) => name)).toContain('good-1');
    await bench.registry.restart();
    expect(await reader().list()).toEqual(before);
    expect(await reader().get({ params: { name: 'good-1' } })).toEqual(model);
  });

  it('records the decision before the change, and the change before it is made', async () => {
    const request = await bench.scanned('recorded');
    const model = await bench.promote(request);
    const events = (await auditEvents()).filter((event) => event['model'] === 'recorded');
    expect(events.map(({ event }) => event)).toEqual(['promotion_allowed', 'manifest_change', 'manifest_written']);
    expect(events[0]).toMatchObject({ decision_id: model.decision_id, sha256: request.sha256, job_id: request.job_id });
    const { decisions } = await bench.engine.client('ui').decisions({ query: { limit: 50 } });
    expect(decisions.find(({ decision_id }) => decision_id === model.decision_id)).toMatchObject({
      decision: 'allow',
      caller: 'registry',
      resource: 'recorded',
    });
  });

  it('answers the same job with the same model, also when asked twice at once', async () => {
    const request = await bench.scanned('again');
    const [first, second] = await Promise.all([bench.promote(request), bench.promote(request)]);
    expect(second).toEqual(first);
    await rm(join(bench.quarantine, request.file));
    expect(await bench.promote(request)).toEqual(first);
  });

  it('keeps one file for two names of one digest, until the last name goes', async () => {
    const bytes = randomBytes(1000);
    const one = await bench.promote(await bench.scanned('twin-1', bytes));
    const two = await bench.promote(await bench.scanned('twin-2', bytes));
    expect(two.file).toBe(one.file);
    await person().remove({ params: { name: 'twin-1' } });
    expect(existsSync(join(bench.models, one.file))).toBe(true);
    await person().remove({ params: { name: 'twin-2' } });
    expect(existsSync(join(bench.models, one.file))).toBe(false);
  });

  it('refuses a taken name with a way out', async () => {
    await bench.promote(await bench.scanned('taken'));
    const problem = await refused(bench.promote(await bench.scanned('taken')));
    expect(problem).toMatchObject({ code: 'conflict', message: expect.stringContaining('choose another name') });
  });

  it('lets one of two concurrent promotions of a name win', async () => {
    const requests = await Promise.all([bench.scanned('race'), bench.scanned('race')]);
    const results = await Promise.allSettled(requests.map((request) => bench.promote(request)));
    expect(results.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    await nothingElse();
  });

  const broken: [string, Partial<PromotionRequest>, string][] = [
    ['another digest', { sha256: `sha256:${'0'.repeat(64)}` }, 'integrity_mismatch'],
    ['a size that is too small', { size: 10 }, 'integrity_mismatch'],
    ['a size that is too large', { size: 10_000_000 }, 'integrity_mismatch'],
    ['a size that no disk has', { size: 2 ** 50 }, 'storage_full'],
    ['a wrong signature', { signature: 'invalid' }, 'policy_denied'],
    ['an origin nobody listed', { origin: 'https://example.com/model.gguf' }, 'policy_denied'],
    ['a policy that changed since', { policy_digest: `sha256:${'1'.repeat(64)}` }, 'conflict'],
    ['a file that is not there', { file: 'files/none' }, 'not_found'],
    ['a path that climbs', { file: '../secret' }, 'invalid_field'],
    ['a path that climbs later', { file: 'files/../../secret' }, 'invalid_field'],
    ['an absolute path', { file: '/etc/passwd' }, 'invalid_field'],
    ['a path with a NUL', { file: 'files/a\0b' }, 'invalid_field'],
    ['a folder', { file: 'files' }, 'integrity_mismatch'],
  ];
  it.each(broken)('refuses %s and leaves nothing behind', async (_, change, code) => {
    expect(await refused(bench.promote(await bench.scanned('never', undefined, change)))).toMatchObject({ code });
    await nothingElse();
  });

  it.each(['fail', 'error', 'skip'] as const)('refuses every stage that says %s', async (verdict) => {
    const request = await bench.scanned('never');
    for (const [index, stage] of request.stages.entries()) {
      if (verdict === 'skip' && stage.name === 'diffusion') continue;
      const stages = request.stages.with(index, { name: stage.name, verdict });
      expect(await refused(bench.promote({ ...request, stages }))).toMatchObject({ code: 'policy_denied' });
    }
    await nothingElse();
  });

  it('refuses stages that are not the seven in order', async () => {
    const request = await bench.scanned('never');
    const stages = request.stages.with(0, { name: 'format', verdict: 'pass' });
    expect(await refused(bench.promote({ ...request, stages }))).toMatchObject({ code: 'invalid_field' });
  });

  it('follows no link and takes no second name', async () => {
    const request = await bench.scanned('never');
    const path = join(bench.quarantine, request.file);
    symlinkSync(path, `${path}-link`);
    linkSync(path, `${path}-hard`);
    await mkdir(join(bench.dir, 'outside'));
    await writeFile(join(bench.dir, 'outside/model'), 'x');
    symlinkSync(join(bench.dir, 'outside'), join(bench.quarantine, 'folder'));
    execFileSync('mkfifo', [join(bench.quarantine, 'pipe')]);
    for (const file of [`${request.file}-link`, `${request.file}-hard`, request.file, 'folder/model', 'pipe'])
      expect(await refused(bench.promote({ ...request, file }))).toMatchObject({ code: 'integrity_mismatch' });
    await nothingElse();
  });

  it('denies within 2.5 s and keeps nothing while the policy engine hangs', async () => {
    const request = await bench.scanned('away');
    process.kill(bench.engine.pid, 'SIGSTOP');
    try {
      const started = performance.now();
      expect(await refused(bench.promote(request))).toMatchObject({ code: 'policy_unreachable' });
      expect(performance.now() - started).toBeLessThan(2500);
    } finally {
      process.kill(bench.engine.pid, 'SIGCONT');
    }
    await nothingElse();
    expect(await bench.promote(request)).toMatchObject({ name: 'away' });
  });
});

describe('verification', () => {
  it('says that untouched bytes match and renews the date', async () => {
    const model = await bench.promote(await bench.scanned('sound'));
    expect(await verify('sound')).toMatchObject({ state: 'matches', bytes_done: model.size, bytes_total: model.size });
    const { verified_at } = await reader().get({ params: { name: 'sound' } });
    expect(verified_at > model.verified_at).toBe(true);
  });

  it('takes a model out of use when one byte differs, and back after a verification and a person', async () => {
    const model = await bench.promote(await bench.scanned('bitrot'));
    const path = join(bench.models, model.file);
    const bytes = await readFile(path);
    const flipped = Buffer.from(bytes);
    flipped[777]! ^= 1;
    await replaceFile(path, flipped);
    expect(await verify('bitrot')).toMatchObject({ state: 'differs', detail: expect.stringContaining('out of use') });
    expect(await reader().get({ params: { name: 'bitrot' } })).toMatchObject({ state: 'quarantined' });
    expect(await refused(person().release({ params: { name: 'bitrot' } }))).toMatchObject({ code: 'conflict' });

    const copy = await bench.scanned('bitrot-under-another-name', bytes);
    expect(await refused(bench.promote(copy))).toMatchObject({ code: 'conflict' });

    await replaceFile(path, bytes);
    expect(await verify('bitrot')).toMatchObject({ state: 'matches' });
    expect(await person().release({ params: { name: 'bitrot' } })).toMatchObject({ state: 'available' });
  });

  it('knows no verification it did not start', async () => {
    expect(await refused(reader().verification({ params: { id: randomUUID() } }))).toMatchObject({ code: 'not_found' });
    expect(await refused(reader().verify({ params: { name: 'nobody' } }))).toMatchObject({ code: 'not_found' });
  });
});

describe('start', () => {
  it('removes files that the manifest does not name and keeps strange ones', async () => {
    await writeFile(join(bench.models, `${'a'.repeat(64)}.gguf`), 'orphan');
    await writeFile(join(bench.models, `.${randomUUID()}.part`), 'half');
    await writeFile(join(bench.models, 'README'), 'mine');
    await bench.registry.restart();
    const names = await readdir(bench.models);
    expect(names).toContain('README');
    await rm(join(bench.models, 'README'));
    await nothingElse();
  });

  it('takes models out of use whose file is missing or has another size', async () => {
    const [gone, short] = [
      await bench.promote(await bench.scanned('gone')),
      await bench.promote(await bench.scanned('short')),
    ];
    await rm(join(bench.models, gone.file), { force: true });
    await replaceFile(join(bench.models, short.file), Buffer.from('short'));
    await bench.registry.restart();
    const reason = async (name: string) => (await reader().get({ params: { name } })).state_reason;
    expect(await reason('gone')).toContain('missing');
    expect(await reason('short')).toContain('5 bytes instead of');
    await person().remove({ params: { name: 'gone' } });
    await person().remove({ params: { name: 'short' } });
    await nothingElse();
  });
});

describe('a manifest that somebody touched', () => {
  const ready = () =>
    fetch(`${bench.registry.url}/ready`, {
      headers: { authorization: `Bearer ${bench.registry.environment.tokenOf('operator')}` },
    });

  async function expectRefusal(): Promise<void> {
    const problem = await refused(reader().list());
    expect(problem).toMatchObject({ code: 'integrity_mismatch', message: expect.stringContaining('To recover') });
    expect(await refused(bench.promote(await bench.scanned('never')))).toMatchObject({ code: 'integrity_mismatch' });
    const response = await ready();
    expect(response.status).toBe(503);
    expect(JSON.stringify(await response.json())).toContain('not trusted');
  }

  it('is refused while running and after a restart', async () => {
    const good = await readFile(manifestPath());
    const bad = Buffer.from(good);
    bad[Math.floor(good.length / 2)]! ^= 1;
    await writeFile(manifestPath(), bad);
    await expectRefusal();
    await bench.registry.restart('SIGKILL');
    await expectRefusal();
    await writeFile(manifestPath(), good);
    await bench.registry.restart();
    expect((await ready()).status).toBe(200);
  });

  it('is refused when an older one with a good signature is put in its place', async () => {
    const older = await readFile(manifestPath());
    await bench.promote(await bench.scanned('newer'));
    const newest = await readFile(manifestPath());
    await bench.registry.end();
    await writeFile(manifestPath(), older);
    await bench.registry.start();
    expect(await refused(reader().list())).toMatchObject({ message: expect.stringContaining('older manifest') });
    await bench.registry.end();
    await writeFile(manifestPath(), newest);
    await bench.registry.start();
    await nothingElse();
  });

  it('is refused when it is gone while models are there; the models are kept', async () => {
    const good = await readFile(manifestPath());
    const files = await readdir(bench.models);
    await rm(manifestPath());
    await expectRefusal();
    await bench.registry.restart();
    await expectRefusal();
    expect(await readdir(bench.models)).toEqual(files);
    await writeFile(manifestPath(), good);
    await bench.registry.restart();
    await nothingElse();
  });
});

describe('kill -9', () => {
  it('at any moment of a promotion leaves the old state or the new one', async () => {
    for (let round = 0; round < 8; round++) {
      const name = `killed-${round}`;
      const request = await bench.scanned(name, randomBytes(6_000_000));
      const answer = bench.promote(request).then(
        () => true,
        () => false,
      );
      const delay = performance.now() + round * 9;
      while (performance.now() < delay) await new Promise(setImmediate);
      await bench.registry.restart('SIGKILL');
      const answered = await answer;
      const { models } = await reader().list();
      const present = models.find((model) => model.name === name);
      if (answered) expect(present).toBeDefined();
      if (present) expect(await verify(name)).toMatchObject({ state: 'matches' });
      await nothingElse();
      expect(await bench.promote(request)).toMatchObject({ name, sha256: request.sha256 });
      await person().remove({ params: { name } });
    }
  });
});

async function replaceFile(path: string, bytes: Uint8Array): Promise<void> {
  await rm(path, { force: true });
  await writeFile(path, bytes, { mode: 0o444 });
}

/** Every file in the models folder is one that the manifest names. */
async function nothingElse(): Promise<void> {
  const { models } = await reader().list();
  expect((await readdir(bench.models)).sort()).toEqual([...new Set(models.map(({ file }) => file))].sort());
  expect(models.map(({ name }) => name)).not.toContain('never');
}
