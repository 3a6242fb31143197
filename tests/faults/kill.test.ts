/**
 * kill -9 of each service under load. What was acknowledged is there afterwards, the audit logs verify, and nothing
 * half-done is left. SECAI_KILLS sets how often each service dies (default 100); the seed of the pauses is printed.
 */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { readAuditLog, verifyAuditLog } from '@secai/audit';
import { createClient, type Model, policyEngine, type QuarantineJob } from '@secai/contracts';
import { submitModel } from '@secai/launcher';
import { buildGguf } from '@secai/model-formats/testing';
import { loadSigningKey } from '@secai/signing';
import { type ServiceName, serviceNames } from '@secai/topology';
import { expect, it } from 'vitest';
import { verifies } from '../claims.ts';
import { eventually } from '../support/eventually.ts';
import { logIn, type PageSession } from '../support/page.ts';
import { type Stack, starterModelFile, startStack } from '../support/stack.ts';

const kills = Number(process.env['SECAI_KILLS'] ?? 100);
const seed = Number(process.env['SECAI_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
const passphrase = 'a long enough passphrase';

/** mulberry32: small, seedable; only spreads the kills over time. */
function randomFrom(start: number): () => number {
  let state = start;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

interface Acknowledged {
  chats: Map<string, string>;
  decisions: Set<string>;
  jobs: Set<string>;
  answers: number;
}

async function decideAll(stack: Stack, acknowledged: Acknowledged, stopped: () => boolean): Promise<void> {
  const token = (await readFile(join(stack.home, 'tokens', 'ui--policy-engine'), 'utf8')).trim();
  const client = createClient(policyEngine, { baseUrl: stack.url('policy-engine'), token });
  while (!stopped()) {
    try {
      const decision = await client.decide({
        body: { domain: 'sensitivity', principal: 'user:owner', action: 'flow', resource: 'any', context: {} },
      });
      acknowledged.decisions.add(decision.decision_id);
    } catch {
      await delay(20); // it is dead right now; only what it answered counts
    }
  }
}

async function chatAll(
  page: PageSession,
  model: string,
  acknowledged: Acknowledged,
  stopped: () => boolean,
): Promise<void> {
  for (let n = 0; !stopped(); n++) {
    try {
      const title = `chat ${n}`;
      const chat = await page.call<{ id: string }>('POST', '/api/chats', { model });
      await page.call('PATCH', `/api/chats/${chat.id}`, { title });
      acknowledged.chats.set(chat.id, title);
      const answer = await page.fetch(
        'POST',
        `/api/chats/${chat.id}/messages`,
        { content: 'Say hello.', parent_id: null, model, max_tokens: 4 },
        AbortSignal.timeout(10_000),
      );
      if ((await answer.text()).includes('event: done')) acknowledged.answers++;
    } catch {
      await delay(20);
    }
  }
}

async function importAll(stack: Stack, acknowledged: Acknowledged, stopped: () => boolean): Promise<void> {
  const { writeFile } = await import('node:fs/promises');
  for (let n = 0; !stopped(); n++) {
    try {
      const file = join(stack.home, `probe-${n}.gguf`);
      await writeFile(file, buildGguf({ tensors: [{ name: `t${n}`, dims: [32], type: 'F32' }] } as never));
      acknowledged.jobs.add(
        (await submitModel(stack.launcher.home, stack.portOffset, file, `probe-${n}`, AbortSignal.timeout(10_000))).id,
      );
      await delay(1000);
    } catch {
      await delay(50);
    }
  }
}

const rowOf = (stack: Stack, service: ServiceName) => stack.launcher.rows().find((row) => row.service === service);

/** One round: each service dies once, in random order and close together, then all must come back. */
async function killAllOnce(stack: Stack, random: () => number): Promise<void> {
  const order = serviceNames.map((service) => ({ service, at: random() })).sort((a, b) => a.at - b.at);
  for (const { service } of order) {
    await delay(random() * 100);
    process.kill(await eventually(`${service} runs`, () => rowOf(stack, service)?.pid, 30_000), 'SIGKILL');
  }
  await eventually('all services are back', () => stack.launcher.rows().every((row) => row.state === 'ready'), 90_000);
  await delay(random() * 300); // under load again
}

verifies(['store.durable'], () => {
  it(`keeps every acknowledged write through ${kills} kills of each service (seed ${seed})`, {
    timeout: 45 * 60_000,
  }, async () => {
    const stack = await startStack({ env: { SECAI_PASSPHRASE: passphrase }, launcher: { longestBackoffMs: 200 } });
    let stopped = false;
    let load: Promise<void>[] = [];
    try {
      const model = 'steady-model';
      const { id } = await submitModel(
        stack.launcher.home,
        stack.portOffset,
        starterModelFile,
        model,
        AbortSignal.timeout(60_000),
      );
      const page = await logIn(stack.url('ui'), passphrase);
      const listed = () => page.call<{ models: Model[]; jobs: QuarantineJob[] }>('GET', '/api/models');
      await eventually(
        'the starter model promoted',
        async () => (await listed()).models.some((one) => one.name === model),
        120_000,
      );

      const acknowledged: Acknowledged = { chats: new Map(), decisions: new Set(), jobs: new Set([id]), answers: 0 };
      load = [
        decideAll(stack, acknowledged, () => stopped),
        chatAll(page, model, acknowledged, () => stopped),
        importAll(stack, acknowledged, () => stopped),
      ];
      const random = randomFrom(seed);
      for (let round = 0; round < kills; round++) await killAllOnce(stack, random);
      stopped = true;
      await Promise.all(load);
      await eventually('all ready again', () => stack.launcher.rows().every((row) => row.state === 'ready'), 90_000);

      // One that fell over because another one died would be a fault of its own.
      expect(stack.lines.filter((line) => /triggerUncaughtException|unhandled/i.test(line))).toEqual([]);

      console.log(
        `acknowledged under fire: ${acknowledged.chats.size} chats, ${acknowledged.answers} answers, ${acknowledged.decisions.size} decisions, ${acknowledged.jobs.size} imports`,
      );
      expect(acknowledged.chats.size).toBeGreaterThan(kills / 10);
      expect(acknowledged.decisions.size).toBeGreaterThan(kills);

      const { chats } = await page.call<{ chats: { id: string; title: string }[] }>('GET', '/api/chats');
      const titles = new Map(chats.map((chat) => [chat.id, chat.title]));
      for (const [chat, title] of acknowledged.chats) expect(titles.get(chat), chat).toBe(title);

      const recorded = new Set<unknown>();
      for await (const record of readAuditLog({ dir: join(stack.home, 'audit', 'policy-engine') }))
        recorded.add((record as Record<string, unknown>)['decision_id']);
      expect([...acknowledged.decisions].filter((decision) => !recorded.has(decision))).toEqual([]);

      for (const job of acknowledged.jobs) {
        await eventually(
          `import ${job} known and at its end`,
          async () =>
            !['queued', 'running'].includes((await page.call<QuarantineJob>('GET', `/api/models/jobs/${job}`)).state),
          60_000,
        );
      }

      const { models } = await listed();
      expect(models.find((one) => one.name === model)?.state).toBe('available');
      const files = await readdir(join(stack.home, 'models'));
      expect(
        files.filter((file) => !models.some((one) => one.file === file)),
        'files no model owns',
      ).toEqual([]);

      await stack.launcher.stop();
      for (const service of serviceNames.filter((name) => name !== 'store')) {
        const { publicKey } = await loadSigningKey(join(stack.home, 'keys', `${service}.audit.pem`));
        const result = await verifyAuditLog({
          dir: join(stack.home, 'audit', service),
          publicKey,
          origin: `secai/${service}`,
        });
        expect(result, service).toMatchObject({ ok: true });
      }
    } finally {
      stopped = true;
      await Promise.all(load);
      await stack.stop();
    }
  });
});
