import { randomBytes, randomUUID } from 'node:crypto';
import { chmodSync, readFileSync } from 'node:fs';
import { open, readdir, truncate, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { join } from 'node:path';
import { readAuditLog } from '@secai/audit';
import { type QuarantineJob, stageNames } from '@secai/contracts';
import {
  buildGguf,
  buildSafetensors,
  malformedGguf,
  malformedSafetensors,
  smolModelPath,
} from '@secai/model-formats/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { verifies } from '../../../tests/claims.ts';
import { QuarantineBench } from './support/bench.ts';

let bench: QuarantineBench;
beforeAll(async () => {
  bench = await QuarantineBench.start();
});
afterAll(() => bench?.stop());

/** A safetensors file of about `bytes`, different every time. */
function safetensors(bytes = 64): Buffer {
  const data = randomBytes(bytes - (bytes % 4));
  for (let at = 3; at < data.length; at += 4) data[at] = 0x3d; // small positive numbers
  return buildSafetensors({
    metadata: { id: randomUUID() },
    tensors: { weight: { dtype: 'F32', shape: [data.length / 4], data_offsets: [0, data.length] } },
    data,
  });
}

const verdicts = (job: QuarantineJob) => job.stages.map(({ verdict }) => verdict);
const rulesOf = (job: QuarantineJob) => job.stages.flatMap(({ findings }) => findings.map(({ rule }) => rule));
const models = async () => (await bench.registry.client('operator').list()).models;

/** Neither a file in quarantine nor one in the store that no model names. */
async function nothingLeft(): Promise<void> {
  expect(await bench.leftovers()).toEqual([]);
  const files = (await models()).map(({ file }) => file);
  expect((await readdir(join(bench.dir, 'models'))).sort()).toEqual([...new Set(files)].sort());
}

async function stageOf(id: string, stage: (typeof stageNames)[number]): Promise<void> {
  for await (const job of bench.watch(id)) if (job.current_stage === stageNames.indexOf(stage)) return;
  throw new Error(`the job ended before the stage ${stage}`);
}

async function auditOf(id: string): Promise<Record<string, unknown>[]> {
  const events: Record<string, unknown>[] = [];
  for await (const record of readAuditLog({ dir: join(bench.quarantine.environment.dir, 'audit') }))
    if (record['job_id'] === id) events.push(record);
  return events;
}

describe('the journey', () => {
  it('takes a real chat model through all seven stages into the registry', async () => {
    const path = smolModelPath(undefined);
    const { id } = await bench.submit(path, { fileName: 'SmolLM2-135M-Instruct.Q4_1.gguf' });
    const seen: QuarantineJob[] = [];
    for await (const job of bench.watch(id)) seen.push(job);
    const job = seen.at(-1)!;
    expect(job.summary).toContain('passed quarantine');
    expect(job).toMatchObject({
      state: 'passed',
      name: 'SmolLM2-135M-Instruct.Q4_1',
      current_stage: null,
      progress: null,
    });
    expect(verdicts(job)).toEqual(['pass', 'pass', 'pass', 'pass', 'pass', 'pass', 'skip']);
    expect(job.facts).toMatchObject({
      format: 'gguf',
      architecture: 'llama',
      has_chat_template: true,
      context_length: 8192,
    });
    expect(rulesOf(job)).toEqual(expect.arrayContaining(['SIG-001', 'DIF-001']));
    const model = (await models()).find(({ name }) => name === job.name);
    expect(model).toMatchObject({ sha256: job.sha256, job_id: id, decision_id: job.decision_id, state: 'available' });

    const progress = seen.filter(({ current_stage }) => current_stage === 5).flatMap((event) => event.progress ?? []);
    expect(progress).toEqual([...progress].sort((a, b) => a - b));
    expect(Math.max(...progress)).toBeGreaterThan(0);
    const behaviour = job.stages[5]!.duration_ms!;
    console.log(`behaviour stage of SmolLM2-135M: ${behaviour} ms; scan: ${job.stages[1]!.duration_ms} ms`);
    await nothingLeft();
  }, 120_000);

  it('records every verdict before the next stage, and the end', async () => {
    const job = await bench.journey(safetensors(), { name: 'audited' });
    const events = await auditOf(job.id);
    expect(events.map(({ event }) => event)).toEqual(['submitted', ...stageNames.map(() => 'stage'), 'job_ended']);
    expect(events.filter(({ event }) => event === 'stage').map(({ stage }) => stage)).toEqual([...stageNames]);
    expect(events.at(-1)).toMatchObject({ state: 'passed', sha256: job.sha256, decision_id: job.decision_id });
  });

  it('says what a safetensors file does not get, and skips only that', async () => {
    const job = await bench.journey(safetensors(), { fileName: 'skips.safetensors' });
    expect(job).toMatchObject({ state: 'passed', name: 'skips' });
    expect(verdicts(job)).toEqual(['pass', 'pass', 'pass', 'pass', 'pass', 'skip', 'skip']);
    expect(rulesOf(job)).toEqual(expect.arrayContaining(['BEH-012', 'DIF-001', 'SIG-001', 'SRC-001']));
  });

  it('compares with the hash that was asked for', async () => {
    const bytes = safetensors();
    const wrong = await bench.journey(bytes, { name: 'pinned', sha256: `sha256:${'0'.repeat(64)}` });
    expect(wrong).toMatchObject({ state: 'rejected', summary: expect.stringContaining('asked for was') });
    expect(rulesOf(wrong)).toContain('PIN-001');
    expect(await bench.journey(bytes, { name: 'pinned', sha256: wrong.sha256! })).toMatchObject({ state: 'passed' });
  });

  it('rejects a GGUF that is well-formed but no engine loads', async () => {
    const job = await bench.journey(buildGguf(), { fileName: 'hollow.gguf' });
    expect(job).toMatchObject({ state: 'rejected', summary: expect.stringContaining('behaviour') });
    expect(rulesOf(job)).toContain('BEH-001');
    expect(verdicts(job).at(-1)).toBeNull();
    await nothingLeft();
  }, 60_000);
});

verifies(['zone.quarantine', 'boundary.promotion'], 'bad files', () => {
  const gguf = [
    ['empty', 'big-endian', 'version 1', '2^63 metadata entries', '2^63 tensors', 'key of 2^63 bytes', 'duplicate key'],
    ['cut inside the data', 'ZIP appended', 'ELF appended', 'hostile template'],
  ].flat();
  const cases: [string, string, Buffer, string][] = [
    ...pick(malformedGguf(), gguf, 'gguf'),
    ...malformedGguf()
      .filter(({ name }) => /overlap/.test(name))
      .slice(0, 1)
      .map(({ name, bytes, rule }): [string, string, Buffer, string] => [name, 'x.gguf', bytes, rule]),
    ...malformedSafetensors()
      .filter(({ rule }) => ['ST-006', 'ST-012', 'ST-013'].includes(rule))
      .map(({ name, bytes, rule }): [string, string, Buffer, string] => [
        `safetensors: ${name}`,
        'x.safetensors',
        bytes,
        rule,
      ]),
    [
      'a pickle named .gguf',
      'x.gguf',
      Buffer.from('\x80\x04\x95\x0b\0\0\0\0\0\0\0\x8c\x02os\x94.', 'latin1'),
      'FMT-001',
    ],
    ['a safetensors file named .gguf', 'x.gguf', buildSafetensors(), 'FMT-002'],
    ['text', 'x.gguf', Buffer.from('hello'), 'FMT-001'],
  ];

  it('are each rejected with the rule that says why, and leave nothing', async () => {
    expect(cases.length).toBeGreaterThanOrEqual(18);
    const before = await models();
    const ended = await Promise.all(
      cases.map(async ([, fileName, bytes], index) => bench.journey(bytes, { name: `bad-${index}`, fileName })),
    );
    for (const [index, [name, , , rule]] of cases.entries()) {
      expect([name, ended[index]!.state]).toEqual([name, 'rejected']);
      expect([name, rulesOf(ended[index]!)]).toEqual([name, expect.arrayContaining([rule])]);
      expect(ended[index]!.summary).toMatch(/^Rejected: the stage "/);
    }
    expect(await models()).toEqual(before);
    await nothingLeft();
  }, 120_000);

  it('that change while they are read are rejected', async () => {
    const { id } = await bench.submit(safetensors(8_000_000), { name: 'moving' });
    const path = join(bench.quarantineDir, 'files', id);
    await stageOf(id, 'format');
    chmodSync(path, 0o600);
    const file = await open(path, 'r+');
    const ended = bench.finished(id);
    let over = false;
    void ended.then(() => {
      over = true;
    });
    while (!over) {
      await file.write(randomBytes(1), 0, 1, 7_000_000);
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    await file.close();
    const job = await ended;
    expect(job.state).toBe('rejected');
    expect(rulesOf(job)).toContain('INT-001');
    await nothingLeft();
  });

  it('that change after the scan are not promoted', async () => {
    const bytes = safetensors(3_000_000);
    await bench.engine.end();
    const { id } = await bench.submit(bytes, { name: 'swapped' });
    // Held before the promotion by a policy engine that is away.
    await bench.engine.start();
    await stageOf(id, 'format');
    process.kill(bench.registry.pid, 'SIGSTOP');
    try {
      for await (const job of bench.watch(id)) if (job.stages[6]!.verdict !== null) break;
      const path = join(bench.quarantineDir, 'files', id);
      chmodSync(path, 0o600);
      const swapped = Buffer.from(bytes);
      swapped[2_000_000]! ^= 1;
      await writeFile(path, swapped);
    } finally {
      process.kill(bench.registry.pid, 'SIGCONT');
    }
    expect(await bench.finished(id)).toMatchObject({
      state: 'rejected',
      summary: expect.stringContaining('not the one that was scanned'),
    });
    await nothingLeft();
  });
});

function pick(
  files: { name: string; bytes: Buffer; rule: string }[],
  names: string[],
  ending: string,
): [string, string, Buffer, string][] {
  return names.map((wanted) => {
    const file = files.find(({ name }) => name === wanted);
    if (!file) throw new Error(`there is no malformed file called ${wanted}`);
    return [wanted, `x.${ending}`, file.bytes, file.rule];
  });
}

describe('bad submissions', () => {
  const body = (parts: [string, string, string?][], end = '--B--\r\n') =>
    parts
      .map(([name, content, file]) => {
        const named = file === undefined ? '' : `; filename="${file}"`;
        return `--B\r\ncontent-disposition: form-data; name="${name}"${named}\r\n\r\n${content}\r\n`;
      })
      .join('') + end;
  const send = async (text: string, type = 'multipart/form-data; boundary=B') => {
    const response = await fetch(`${bench.quarantine.url}/v1/jobs`, {
      method: 'POST',
      headers: { ...bench.authorization, 'content-type': type },
      body: text,
    });
    return { status: response.status, body: (await response.json()) as { code: string; detail: string } };
  };

  const cases: [string, string, string, string?][] = [
    [
      'a climbing name',
      body([
        ['name', '../../etc/cron.d/x'],
        ['file', 'x', 'x.gguf'],
      ]),
      'invalid_field',
    ],
    [
      'a name with NUL',
      body([
        ['name', 'a\0b'],
        ['file', 'x', 'x.gguf'],
      ]),
      'invalid_field',
    ],
    [
      'a name of 300 characters',
      body([
        ['name', 'x'.repeat(300)],
        ['file', 'x', 'x.gguf'],
      ]),
      'invalid_field',
    ],
    [
      'a name with bidi controls',
      body([
        ['name', 'gpt\u202efugg'],
        ['file', 'x', 'x.gguf'],
      ]),
      'invalid_field',
    ],
    [
      'a bad name after the file',
      body([
        ['file', 'x', 'x.gguf'],
        ['name', '../x'],
      ]),
      'invalid_field',
    ],
    ['a file name with bidi controls', body([['file', 'x', 'a\u202eb.gguf']]), 'invalid_field'],
    ['a file name of 300 characters', body([['file', 'x', 'x'.repeat(300)]]), 'invalid_field'],
    ['no file', body([['name', 'x']]), 'invalid_field'],
    [
      'two files',
      body([
        ['file', 'x', 'a.gguf'],
        ['file', 'y', 'b.gguf'],
      ]),
      'invalid_field',
    ],
    [
      'two names',
      body([
        ['name', 'a'],
        ['name', 'b'],
        ['file', 'x', 'a.gguf'],
      ]),
      'invalid_field',
    ],
    [
      'a field nobody knows',
      body([
        ['colour', 'red'],
        ['file', 'x', 'a.gguf'],
      ]),
      'unknown_field',
    ],
    ['a file part of another name', body([['model', 'x', 'a.gguf']]), 'unknown_field'],
    [
      'a malformed hash',
      body([
        ['sha256', 'abc'],
        ['file', 'x', 'a.gguf'],
      ]),
      'invalid_field',
    ],
    ['a body without its end', body([['file', 'x', 'a.gguf']], ''), 'invalid_field'],
    ['a body without a boundary', 'x', 'invalid_field', 'multipart/form-data'],
    ['another content type', 'x', 'unsupported_media_type', 'application/octet-stream'],
    [
      'JSON with a field nobody knows',
      '{"source_url":"https://example.com/x","x":1}',
      'unknown_field',
      'application/json',
    ],
    [
      'JSON with a duplicate key',
      '{"source_url":"https://a.example/","source_url":"https://b.example/"}',
      'duplicate_key',
      'application/json',
    ],
    ['an address without https', '{"source_url":"http://example.com/x"}', 'invalid_field', 'application/json'],
    [
      'a download, for there is no airlock',
      '{"source_url":"https://example.com/x.gguf"}',
      'dependency_unavailable',
      'application/json',
    ],
  ];
  it.each(cases)('%s', async (_, text, code, type) => {
    const { jobs } = await bench.client.list();
    const { body } = await send(text, type);
    expect(body).toMatchObject({ code });
    expect(body.detail.length).toBeGreaterThan(10);
    expect((await bench.client.list()).jobs).toEqual(jobs);
    expect(await bench.leftovers()).toEqual([]);
  });

  it('an upload that is cut off leaves nothing', async () => {
    const { jobs } = await bench.client.list();
    const upload = request(`${bench.quarantine.url}/v1/jobs`, {
      method: 'POST',
      headers: {
        ...bench.authorization,
        'content-type': 'multipart/form-data; boundary=B',
        'content-length': 50_000_000,
      },
    });
    upload.on('error', () => undefined);
    upload.write(body([['file', '', 'cut.gguf']], '').slice(0, -2));
    upload.write(Buffer.alloc(4_000_000));
    await until(async () => (await bench.leftovers()).length === 1);
    upload.destroy();
    await until(async () => (await bench.leftovers()).length === 0);
    expect((await bench.client.list()).jobs).toEqual(jobs);
    expect((await bench.post(safetensors(), { name: 'cut' })).status).toBe(202);
  });

  it('the second of two uploads of one name is told what to do, and so is one of a promoted name', async () => {
    const [first, second] = await Promise.all([
      bench.post(safetensors(2_000_000), { name: 'double' }),
      bench.post(safetensors(2_000_000), { name: 'double' }),
    ]);
    const statuses = [first.status, second.status].sort();
    expect(statuses).toEqual([202, 409]);
    const [good, bad] = first.status === 202 ? [first, second] : [second, first];
    expect(bad.body).toMatchObject({ code: 'conflict', detail: expect.stringContaining('another name') });
    expect(await bench.finished(good.body.id)).toMatchObject({ state: 'passed' });
    expect((await bench.post(safetensors(), { name: 'double' })).body).toMatchObject({ code: 'conflict' });
    await nothingLeft();
  });
});

describe('cancelling', () => {
  it.each(['source', 'format', 'behaviour'] as const)(
    'in the stage %s takes less than 2 s and leaves nothing',
    async (stage) => {
      const name = `cancelled-${stage}`;
      const { id } = await bench.submit(smolModelPath(undefined), { name, fileName: `${name}.gguf` });
      if (stage !== 'source') await stageOf(id, stage);
      const started = performance.now();
      const job = await bench.client.cancel({ params: { id } });
      expect(performance.now() - started).toBeLessThan(2000);
      expect(job).toMatchObject({ state: 'cancelled', progress: null });
      expect(await bench.leftovers()).toEqual([]);
      expect((await models()).some((model) => model.name === name)).toBe(false);
      expect((await auditOf(id)).map(({ event }) => event)).toContain('cancel');
    },
    60_000,
  );

  it('a finished job forgets it', async () => {
    const { id } = await bench.journey(Buffer.from('x'), { name: 'forgotten' });
    await bench.client.cancel({ params: { id } });
    await expect(bench.client.get({ params: { id } })).rejects.toMatchObject({ code: 'not_found' });
  });
});

describe('when other services fail', () => {
  it('a job waits for a policy engine that is away, and says so', async () => {
    await bench.engine.end('SIGKILL');
    const { id } = await bench.submit(safetensors(), { name: 'patient' });
    for await (const job of bench.watch(id)) if (job.summary.startsWith('Waiting for another service')) break;
    await bench.engine.start();
    expect(await bench.finished(id)).toMatchObject({ state: 'passed' });
  });

  it('a job outlives the store and the registry being killed', async () => {
    const { id } = await bench.submit(safetensors(20_000_000), { name: 'sturdy' });
    await stageOf(id, 'format');
    await Promise.all([bench.store.end('SIGKILL'), bench.registry.end('SIGKILL')]);
    await Promise.all([bench.store.start(), bench.registry.start()]);
    expect(await bench.finished(id)).toMatchObject({ state: 'passed' });
    await nothingLeft();
  }, 60_000);

  it('a policy that changes during the scan voids it: the job starts over', async () => {
    const { id } = await bench.submit(safetensors(), { name: 'restarted' });
    await stageOf(id, 'format');
    await bench.changePolicy();
    expect(await bench.finished(id)).toMatchObject({ state: 'passed' });
    const scans = (await auditOf(id)).filter(({ event, stage }) => event === 'stage' && stage === 'format');
    expect(scans).toHaveLength(2);
  });
});

describe('kill -9 of quarantine', () => {
  it('at any moment: the job ends as it would have, once', async () => {
    for (let round = 0; round < 6; round++) {
      const name = `killed-${round}`;
      const { id } = await bench.submit(safetensors(5_000_000), { name });
      await new Promise((resolve) => setTimeout(resolve, round * 150));
      await bench.quarantine.restart('SIGKILL');
      const job = await bench.finished(id);
      expect(job).toMatchObject({ state: 'passed', name });
      expect(verdicts(job)).toEqual(['pass', 'pass', 'pass', 'pass', 'pass', 'skip', 'skip']);
      expect((await models()).filter((model) => model.name === name)).toHaveLength(1);
      await nothingLeft();
    }
  }, 120_000);

  it('in the middle of an upload leaves nothing', async () => {
    const sent = bench.post(safetensors(60_000_000), { name: 'unlucky' }).catch(() => null);
    await until(async () => (await bench.leftovers()).length > 0);
    await bench.quarantine.restart('SIGKILL');
    await sent;
    expect((await bench.client.list()).jobs.some(({ name }) => name === 'unlucky')).toBe(false);
    expect(await bench.leftovers()).toEqual([]);
  }, 60_000);
});

describe('memory', () => {
  it('stays below 200 MB while a large file comes in and is scanned', async () => {
    await bench.quarantine.restart();
    const path = join(bench.dir, 'sparse.safetensors');
    const header = Buffer.from(
      JSON.stringify({ w: { dtype: 'U8', shape: [400_000_000], data_offsets: [0, 400_000_000] } }),
    );
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(header.length));
    await writeFile(path, Buffer.concat([length, header]));
    await truncate(path, 8 + header.length + 400_000_000);
    const job = await bench.journey(path, { name: 'large', fileName: 'large.safetensors' });
    expect(['passed', 'rejected']).toContain(job.state);
    const peak =
      Number(readFileSync(`/proc/${bench.quarantine.pid}/status`, 'utf8').match(/VmHWM:\s+(\d+)/)![1]) / 1024;
    console.log(`quarantine's highest memory for a 400 MB file: ${Math.round(peak)} MiB (${job.state})`);
    expect(peak).toBeLessThan(200);
  }, 120_000);
});

describe('the event stream', () => {
  it('is a problem for an unknown job, and a lost reader stops nothing', async () => {
    await expect(bench.client.get({ params: { id: randomUUID() } })).rejects.toMatchObject({ code: 'not_found' });
    const { id } = await bench.submit(safetensors(), { name: 'unwatched' });
    for await (const _ of bench.watch(id)) break;
    expect(await bench.finished(id)).toMatchObject({ state: 'passed' });
  });
});

async function until(holds: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 15_000;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error('it did not come to hold within 15 s');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
