import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { quarantine as contract, Problem, type QuarantineJob, stageNames } from '@secai/contracts';
import { ensureDir } from '@secai/files';
import { defineService, isoTime, openEventStream } from '@secai/kit';
import { probeSandbox } from '@secai/sandbox';
import { z } from 'zod';
import { ACTIVE, type Job, Jobs, nameInQuarantine, nameTaken } from './jobs.ts';
import { Pipeline, wireJob } from './pipeline.ts';
import { Neighbours } from './promotion.ts';
import { QuarantineFolder } from './quarantine-folder.ts';
import { receiveUpload } from './upload.ts';

const env = z.object({
  SECAI_DIR_QUARANTINE: z.string().startsWith('/', 'an absolute path'),
  DATABASE_URL: z.string().regex(/^postgres(ql)?:/, 'a postgres:// address'),
  /** How many seconds a job waits for a service that does not answer before it fails. */
  SECAI_DEPENDENCY_WAIT: z.coerce.number('a number of seconds').min(0).max(86_400).default(120),
});

/** Quarantine: takes every model through seven stages before promotion. */
export const quarantineService = defineService({
  contract,
  env,
  async create({ config, logger, clock, audit, peers }) {
    const folder = new QuarantineFolder(config.SECAI_DIR_QUARANTINE);
    await folder.prepare();
    const runDir = join(config.SECAI_STATE_DIR, 'run');
    await ensureDir(runDir);
    const jobs = await Jobs.open(config.DATABASE_URL, (error) => logger.warn({ err: error }, 'store_connection_lost'));
    const neighbours = new Neighbours(peers);
    const pipeline = new Pipeline({
      jobs,
      folder,
      neighbours,
      audit,
      clock,
      logger,
      runDir,
      waitMs: config.SECAI_DEPENDENCY_WAIT * 1000,
    });
    await pipeline.resume();
    /** Names of uploads that are still coming in. */
    const arriving = new Set<string>();

    const reserve = async (name: string): Promise<void> => {
      if (arriving.has(name) || (await jobs.hasActive(name))) throw nameInQuarantine(name);
      // A registry that does not answer is no reason to refuse: promotion looks again.
      if (await neighbours.model(name).catch(() => null)) throw nameTaken(name);
      if (arriving.has(name)) throw nameInQuarantine(name);
      arriving.add(name);
    };

    const view = async (id: string): Promise<QuarantineJob> => pipeline.live(id) ?? wireJob(await jobs.get(id));

    return {
      handlers: {
        async submit({ req, caller, signal }) {
          const id = randomUUID();
          let reserved: string | undefined;
          try {
            const upload = await receiveUpload(req, {
              id,
              folder,
              signal,
              reserve: async (name) => {
                await reserve(name);
                reserved = name;
              },
            });
            const now = isoTime(clock);
            const job: Job = {
              id,
              name: upload.name,
              file_name: upload.fileName,
              state: 'queued',
              stages: stageNames.map((name) => ({ name, verdict: null, findings: [], duration_ms: null })),
              current_stage: null,
              summary: 'Waiting for its turn.',
              origin: 'local',
              submitted_by: caller.name,
              size: upload.size,
              expected_sha256: upload.expectedSha256,
              sha256: null,
              facts: null,
              scan: null,
              policy_digest: null,
              decision_id: null,
              created_at: now,
              updated_at: now,
            };
            await audit.append({
              event: 'submitted',
              job_id: id,
              model: job.name,
              file_name: job.file_name,
              size: job.size,
              origin: job.origin,
              caller: caller.name,
            });
            await folder.accept(id);
            await jobs.add(job);
            pipeline.begin(job);
            return wireJob(job);
          } catch (error) {
            await folder.remove(id);
            throw error;
          } finally {
            if (reserved !== undefined) arriving.delete(reserved);
          }
        },
        list: async () => ({ jobs: (await jobs.list()).map((job) => pipeline.live(job.id) ?? wireJob(job)) }),
        get: ({ params }) => view(params.id),
        async events({ params, res, signal }) {
          await view(params.id); // a job that does not exist is a problem, not an empty stream
          const stream = openEventStream(res);
          await follow({
            pipeline,
            id: params.id,
            look: () => view(params.id),
            signal,
            send: (job) => stream.send('job', job),
          });
          stream.close();
          return undefined;
        },
        async cancel({ params, caller }) {
          const job = await view(params.id);
          if (ACTIVE.includes(job.state)) {
            await audit.append({ event: 'cancel', job_id: job.id, model: job.name, caller: caller.name });
            await pipeline.cancel(job.id);
            return view(job.id);
          }
          await audit.append({ event: 'job_forgotten', job_id: job.id, model: job.name, caller: caller.name });
          await jobs.forget(job.id);
          return job;
        },
      },
      readiness: {
        store: () => jobs.ping(),
        sandbox: async () => {
          const probe = await probeSandbox();
          if (!probe.available) throw new Problem('dependency_unavailable', `${probe.reason} ${probe.install}`);
        },
      },
      async stop() {
        await pipeline.stop();
        await jobs.close();
      },
    };
  },
});

interface Follow {
  pipeline: Pipeline;
  id: string;
  look: () => Promise<QuarantineJob>;
  signal: AbortSignal;
  send: (job: QuarantineJob) => Promise<boolean>;
}

/** Sends the job after each change until it has ended, `signal` aborts or nobody reads; a slow reader gets the newest only. */
async function follow({ pipeline, id, look, signal, send }: Follow): Promise<void> {
  let newest: QuarantineJob | null = null;
  let wake = Promise.withResolvers<void>();
  const unwatch = pipeline.feed.watch(id, (job) => {
    newest = job;
    wake.resolve();
  });
  const gone = (): void => wake.resolve();
  signal.addEventListener('abort', gone);
  try {
    // Looked at after the watch began, so that no change falls in between.
    newest = await look();
    while (!signal.aborted) {
      const job: QuarantineJob | null = newest;
      newest = null;
      if (job && (!(await send(job)) || !ACTIVE.includes(job.state))) return;
      if (newest === null) await wake.promise;
      wake = Promise.withResolvers<void>();
    }
  } finally {
    unwatch();
    signal.removeEventListener('abort', gone);
  }
}
