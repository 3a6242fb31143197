import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readAuditLog, verifyAuditLog } from '@secai/audit';
import { createClient, type DecisionRequest, Problem, policyDomain, policyEngine } from '@secai/contracts';
import { type RunningService, startService } from '@secai/kit';
import { type TestEnvironment, testEnvironment } from '@secai/kit/testing';
import { digestOf } from '@secai/policy';
import { loadSigningKey } from '@secai/signing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { verifies } from '../../../tests/claims.ts';
import { policyEngineService } from '../src/service.ts';
import { decisions } from './decisions.ts';

let environment: TestEnvironment;
let service: RunningService;

beforeEach(async () => {
  environment = await testEnvironment('policy-engine');
  await start();
});
afterEach(async () => {
  await service.stop();
  await environment.remove();
});

async function start(): Promise<void> {
  service = await startService(policyEngineService, { env: environment.env });
}
async function restart(meanwhile: () => Promise<unknown> = async () => {}): Promise<void> {
  await service.stop();
  await meanwhile();
  await start();
}

type CallerWithEdge = 'ui' | 'registry' | 'quarantine' | 'operator';
const as = (caller: CallerWithEdge) =>
  createClient(policyEngine, { baseUrl: service.url, token: environment.tokenOf(caller) });
const post = (path: string, body: string, caller: CallerWithEdge = 'ui', method = 'POST') =>
  fetch(service.url + path, {
    method,
    body,
    headers: { 'content-type': 'application/json', authorization: `Bearer ${environment.tokenOf(caller)}` },
  });

const read: DecisionRequest = {
  domain: 'tool_access',
  principal: 'agent',
  action: 'invoke',
  resource: 'files.read',
  context: {
    effect: 'read',
    declared: true,
    call_label: { integrity: 'trusted', sensitivity: 'public', sources: ['tax-2025.pdf'] },
    data_label: { integrity: 'trusted', sensitivity: 'public' },
  },
};
const forbidRead = `@id("mine-no-reading")
@reason("I do not want this.")
forbid (principal, action, resource == Tool::"files.read");
`;
const apply = (text: string) => as('ui').apply({ params: { domain: 'tool_access' }, body: { text } });
const overlayFile = () => join(environment.dir, 'state', 'overlays.json');

async function auditRecords() {
  const records = [];
  for await (const record of readAuditLog({ dir: join(environment.dir, 'audit') })) records.push(record);
  return records;
}

verifies(['service.policy-engine'], 'POST /v1/decide', () => {
  it('answers with evidence that a caller can compute again', async () => {
    const answer = await as('ui').decide({ body: read });
    expect(answer).toEqual({
      decision: 'allow',
      decision_id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      reason: 'Reading tools run by themselves for your own requests.',
      evidence: {
        domain: 'tool_access',
        policies: ['tool-read'],
        policy_digest: (await as('ui').listPolicies()).domains.find(({ domain }) => domain === 'tool_access')?.digest,
        input_digest: digestOf(read),
        labels: { call_label: read.context.call_label, data_label: read.context.data_label },
        evaluated_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
        eval_us: expect.any(Number),
      },
    });
    const again = await as('ui').decide({ body: read });
    expect(again.evidence.input_digest).toBe(answer.evidence.input_digest);
    expect(again.decision_id).not.toBe(answer.decision_id);
    const other = await as('ui').decide({ body: { ...read, resource: 'files.reaD' } });
    expect(other.evidence.input_digest).not.toBe(answer.evidence.input_digest);
  });

  it('gives the decisions of the whole table, singly and in batches', async () => {
    const client = as('ui');
    for (let at = 0; at < decisions.length; at += 256) {
      const rows = decisions.slice(at, at + 256);
      const batch = await client.decideBatch({ body: { requests: rows.map((row) => row.input) }, deadlineMs: 20_000 });
      expect(batch.decisions.map((answer) => [answer.decision, ...answer.evidence.policies])).toEqual(
        rows.map((row) => [row.decision, ...row.policies]),
      );
      const digests = batch.decisions.map((answer) => answer.evidence.input_digest);
      expect(digests).toEqual(rows.map((row) => digestOf(row.input)));
    }
    for (const row of decisions.slice(0, 40))
      expect((await client.decide({ body: row.input })).decision).toBe(row.decision);
  });

  it('refuses what is no request (reference: missing fields, bad body, unknown domain)', async () => {
    const status = async (body: string) => (await post('/v1/decide', body)).status;
    expect(await status('not json')).toBe(400);
    expect(await status('{"domain":"tool_access"}')).toBe(400);
    expect(await status(JSON.stringify({ ...read, domain: 'made_up_domain' }))).toBe(400);
    expect(await status(JSON.stringify({ ...read, extra: 1 }))).toBe(400);
    expect(await status(JSON.stringify({ ...read, resource: '' }))).toBe(400);
    expect(await status(JSON.stringify({ ...read, context: [] }))).toBe(400);
    expect(await status(JSON.stringify(read).replace('"declared":true', '"declared":false,"declared":true'))).toBe(400);
    expect(await status(JSON.stringify(read).replace('files.read', '\\ud800'))).toBe(400);
    expect((await post('/v1/decide/batch', '{"requests":[]}')).status).toBe(400);
    const many = JSON.stringify({ requests: Array.from({ length: 257 }, () => read) });
    expect((await post('/v1/decide/batch', many)).status).toBe(400);
  });

  it('denies unknown context, whatever its name, and never throws', async () => {
    for (const extra of ['"constructor":1', '"toString":null', '"":1']) {
      const response = await post('/v1/decide', JSON.stringify(read).replace('"effect"', `${extra},"effect"`));
      expect(await response.json()).toMatchObject({ decision: 'deny', evidence: { policies: [] } });
    }
  });

  it('is not for the operator, who may only read', async () => {
    expect((await post('/v1/decide', JSON.stringify(read), 'operator')).status).toBe(403);
    expect((await as('operator').digest()).digest).toMatch(/^sha256:/);
  });
});

describe('the decision log', () => {
  it('holds every decision before its answer, with digests and without context', async () => {
    const secretive = { ...read, context: { ...read.context, note: 'hunter2' } };
    const egress = decisions.find((row) => row.name === 'egress: a listed download')!.input;
    const answers = [
      await as('ui').decide({ body: read }),
      await as('quarantine').decide({ body: secretive }),
      await as('registry').decide({
        body: { ...egress, resource: 'https://huggingface.co/file?token=hunter2#hunter2' },
      }),
      await as('ui').decide({ body: { ...egress, resource: 'https://me:hunter2@huggingface.co/' } }),
      await as('ui').decide({ body: { ...egress, resource: 'hunter2 is no address' } }),
    ];
    const logged = (await auditRecords()).filter((record) => record['event'] === 'decision');
    expect(logged.map((record) => record['decision_id'])).toEqual(answers.map((answer) => answer.decision_id));
    expect(logged.map((record) => record['input_digest'])).toEqual(
      answers.map((answer) => answer.evidence.input_digest),
    );
    expect(logged.map((record) => record['caller'])).toEqual(['ui', 'quarantine', 'registry', 'ui', 'ui']);
    expect(logged.map((record) => record['resource'])).toEqual([
      'files.read',
      'files.read',
      'https://huggingface.co/file?…',
      'https://huggingface.co/',
      '(not an address)',
    ]);
    const text = JSON.stringify(logged);
    expect(text).not.toContain('hunter2');
    expect(text).not.toContain('tax-2025');
    expect(logged[0]).toMatchObject({ labels: { call_label: { integrity: 'trusted', sensitivity: 'public' } } });
  });

  it('lists the newest first, over a restart too, and verifies', async () => {
    const first = await as('ui').decide({ body: read });
    await restart();
    const second = await as('ui').decide({ body: read });
    const { decisions: listed } = await as('operator').decisions({});
    expect(listed.map((entry) => entry.decision_id)).toEqual([second.decision_id, first.decision_id]);
    expect((await as('operator').decisions({ query: { limit: 1 } })).decisions).toHaveLength(1);
    await service.stop();
    const key = await loadSigningKey(environment.env['SECAI_AUDIT_KEY']!);
    const dir = join(environment.dir, 'audit');
    expect(await verifyAuditLog({ dir, origin: 'secai/policy-engine', publicKey: key.publicKey })).toMatchObject({
      ok: true,
    });
    await start();
  });
});

describe('your own rules', () => {
  it('are shown with the shipped ones', async () => {
    const { digest, domains } = await as('operator').listPolicies();
    expect(domains.map(({ domain }) => domain)).toEqual(policyDomain.options);
    expect(digest).toBe((await as('operator').digest()).digest);
    expect(digest).toBe(digestOf(Object.fromEntries(domains.map(({ domain, digest }) => [domain, digest]))));
    for (const domain of domains) expect(domain).toMatchObject({ overlay: '', overlay_version: 0 });
    expect(domains[0]?.shipped).toContain('@id("tool-read")');
  });

  it('are checked without being applied, and the place of a mistake is named', async () => {
    const validate = (text: string) => as('operator').validate({ params: { domain: 'tool_access' }, body: { text } });
    expect(await validate(forbidRead)).toEqual({ valid: true, errors: [] });
    const typo = forbidRead.replace('resource ==', 'resource\n==').replace('Tool::', 'Tol::');
    expect(await validate(typo)).toMatchObject({
      valid: false,
      errors: [{ line: 4, policy: 'mine-no-reading' }, { policy: 'mine-no-reading' }],
    });
    expect(await validate('@id("tool-read") @reason("X.") permit (principal, action, resource);')).toMatchObject({
      valid: false,
      errors: [{ policy: 'tool-read', message: expect.stringContaining('already used in tool_access.cedar') }],
    });
    expect((await as('ui').decide({ body: read })).decision).toBe('allow');
  });

  it('apply at once, survive a restart, and go back when an older text is applied', async () => {
    const before = await as('ui').digest();
    const applied = await apply(forbidRead);
    expect(applied).toMatchObject({ domain: 'tool_access', overlay_version: 1 });
    const denied = await as('ui').decide({ body: read });
    expect(denied).toMatchObject({ decision: 'deny', reason: 'I do not want this.' });
    expect(denied.evidence).toMatchObject({ policies: ['mine-no-reading'], policy_digest: applied.digest });
    expect(await as('ui').digest()).not.toEqual(before);
    await restart();
    expect((await as('ui').decide({ body: read })).decision).toBe('deny');
    expect(await apply('')).toMatchObject({ overlay_version: 2 });
    expect(await as('ui').digest()).toEqual(before);
    expect((await as('ui').decide({ body: read })).decision).toBe('allow');
    const kept = join(environment.dir, 'state', 'overlay-history', 'tool_access');
    expect(await readFile(join(kept, '1.cedar'), 'utf8')).toBe(forbidRead);
    expect(await readFile(join(kept, '2.cedar'), 'utf8')).toBe('');
    const changes = (await auditRecords()).filter((record) => record['event'] === 'policy_apply');
    expect(changes).toMatchObject([
      {
        caller: 'ui',
        domain: 'tool_access',
        version: 1,
        text_digest: digestOf(forbidRead),
        policy_digest: applied.digest,
      },
      { caller: 'ui', domain: 'tool_access', version: 2, text_digest: digestOf('') },
    ]);
  });

  it('never lift a shipped forbid', async () => {
    await apply('@id("mine-all") @reason("All.") permit (principal, action, resource);');
    for (const row of decisions.filter(
      ({ input, policies }) => input.domain === 'tool_access' && policies.length > 0,
    )) {
      const { decision } = await as('ui').decide({ body: row.input });
      expect(decision, row.name).toBe(row.decision === 'deny' ? 'deny' : 'allow');
    }
  });

  it('are refused whole when they are not valid, by the wrong caller or for an unknown domain', async () => {
    const error = await apply('permit (principal, action, resource);').catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(Problem);
    expect(error).toMatchObject({ code: 'invalid_field', message: expect.stringContaining('every rule needs an @id') });
    const body = JSON.stringify({ text: '' });
    expect((await post('/v1/policies/tool_access', body, 'operator', 'PUT')).status).toBe(403);
    expect((await post('/v1/policies/tool_access', body, 'registry', 'PUT')).status).toBe(403);
    expect((await post('/v1/policies/nothing', body, 'ui', 'PUT')).status).toBe(400);
    expect((await post('/v1/policies/tool_access', '{"text":"\\ud800"}', 'ui', 'PUT')).status).toBe(400);
    const { domains } = await as('ui').listPolicies();
    expect(domains.every(({ overlay_version }) => overlay_version === 0)).toBe(true);
  });

  it('change between two decisions: under load every answer fits the digest it names', async () => {
    const open = (await as('ui').decide({ body: read })).evidence.policy_digest;
    let running = true;
    const seen = new Map<string, Set<string>>();
    const load = Array.from({ length: 4 }, async () => {
      while (running) {
        const { decision, evidence } = await as('registry').decide({ body: read, deadlineMs: 20_000 });
        seen.set(evidence.policy_digest, (seen.get(evidence.policy_digest) ?? new Set()).add(decision));
      }
    });
    const digests: string[] = [];
    for (let i = 0; i < 6; i++) digests.push((await apply(i % 2 ? '' : forbidRead)).digest);
    running = false;
    await Promise.all(load);
    expect(new Set(digests)).toEqual(new Set([open, digests[0]]));
    expect([...seen.keys()].filter((digest) => ![open, digests[0]].includes(digest))).toEqual([]);
    expect([...(seen.get(open) ?? ['allow'])]).toEqual(['allow']);
    expect([...(seen.get(digests[0]!) ?? ['deny'])]).toEqual(['deny']);
  });

  it('applied at the same time get different versions, and the last one holds', async () => {
    const texts = Array.from({ length: 4 }, (_, index) => forbidRead.replace('mine-no-reading', `mine-${index}`));
    const applied = await Promise.all(texts.map(apply));
    expect(applied.map(({ overlay_version }) => overlay_version).sort()).toEqual([1, 2, 3, 4]);
    const last = applied.findIndex(({ overlay_version }) => overlay_version === 4);
    expect((await as('ui').decide({ body: read })).evidence.policies).toEqual([`mine-${last}`]);
  });
});

describe('rules changed behind the back of the policy engine', () => {
  const ready = async () => {
    const response = await fetch(`${service.url}/ready`, {
      headers: { authorization: `Bearer ${environment.tokenOf('operator')}` },
    });
    return response.status;
  };
  const tamperings: [string, () => Promise<unknown>][] = [
    ['deleted', () => rm(overlayFile())],
    ['emptied', () => writeFile(overlayFile(), '')],
    ['no JSON', () => writeFile(overlayFile(), 'x')],
    [
      'one rule taken out',
      async () => {
        const text = await readFile(overlayFile(), 'utf8');
        await writeFile(overlayFile(), text.replace('forbid (principal', 'permit (principal'));
      },
    ],
    [
      'a version changed',
      async () => {
        const text = await readFile(overlayFile(), 'utf8');
        await writeFile(overlayFile(), text.replace('"version": 1', '"version": 7'));
      },
    ],
    [
      'signed by another key',
      async () => {
        const text = await readFile(overlayFile(), 'utf8');
        await writeFile(
          overlayFile(),
          text.replace(/"signature": "(.)/, (_, digit) => `"signature": "${digit === '0' ? '1' : '0'}`),
        );
      },
    ],
  ];
  it.each(tamperings)('%s: everything is refused until a person applies them again', async (_name, tamper) => {
    await apply(forbidRead);
    await restart(tamper);
    expect(await ready()).toBe(503);
    const allowed = decisions.filter((row) => row.decision !== 'deny').map((row) => row.input);
    const { decisions: answers } = await as('ui').decideBatch({
      body: { requests: allowed.slice(0, 200) },
      deadlineMs: 20_000,
    });
    for (const answer of answers) {
      expect(answer.decision).toBe('deny');
      expect(answer.reason).toContain('changed outside of the policy engine');
    }
    expect((await auditRecords()).some((record) => record['event'] === 'overlay_tampered')).toBe(true);
    expect(await apply('')).toMatchObject({ overlay_version: 2 });
    expect((await as('ui').decide({ body: read })).decision).toBe('allow');
    await restart();
    expect((await as('ui').decide({ body: read })).decision).toBe('allow');
    const other = decisions.find((row) => row.name === 'sensitivity: public data to local-model')!.input;
    expect((await as('ui').decide({ body: other })).decision).toBe('deny');
    for (const domain of policyDomain.options) await as('ui').apply({ params: { domain }, body: { text: '' } });
    expect(await ready()).toBe(200);
    expect((await as('ui').decide({ body: other })).decision).toBe('allow');
  });
});
