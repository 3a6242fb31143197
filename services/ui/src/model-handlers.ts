import { pipeline } from 'node:stream/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { Problem, type ui } from '@secai/contracts';
import type { HandlerContext, Handlers } from '@secai/kit';
import { uploadToQuarantine } from './import.ts';
import type { Parts } from './parts.ts';

type Routes = (typeof ui)['routes'];
type ModelHandlers = Pick<
  Handlers<Routes>,
  'models' | 'importModel' | 'importJob' | 'importEvents' | 'cancelImport' | 'removeModel' | 'verifyModel'
>;

/** What the models page shows and does; the work itself is quarantine's, the registry's and the worker's. */
export function modelHandlers(parts: Parts): ModelHandlers {
  const { peers, audit, modelNames } = parts;
  return {
    models: ({ signal }) => overview(parts, signal),
    async importModel({ req, res }) {
      const job = await uploadToQuarantine(parts.quarantine, peers.quarantine.address('submit'), req, res);
      if (job === null) return undefined as never; // refused while it was being sent; the answer is written
      await audit.append({ event: 'import_submitted', job_id: job.id, name: job.name });
      return job;
    },
    importJob: ({ params, signal }) => peers.quarantine.get({ params, signal }),
    importEvents: (context) => jobEvents(parts, context),
    async cancelImport({ params, signal }) {
      await audit.append({ event: 'import_cancelled', job_id: params.id });
      return peers.quarantine.cancel({ params, signal });
    },
    async removeModel({ params }) {
      const { sha256 } = await peers.registry.get({ params });
      await audit.append({ event: 'model_removed', name: params.name, sha256 });
      await unloadIfLoaded(parts, params.name);
      const removed = await peers.registry.remove({ params, deadlineMs: 30_000 });
      modelNames.forget(params.name);
      return removed;
    },
    verifyModel: ({ params, signal }) => verify(parts, params.name, signal),
  };
}

async function overview({ peers }: Parts, signal: AbortSignal) {
  const problems: string[] = [];
  const orNull = async <T>(answer: Promise<T>, consequence: string): Promise<T | null> => {
    try {
      return await answer;
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      problems.push(`${consequence} (${error.message})`);
      return null;
    }
  };
  const [models, jobs, engine] = await Promise.all([
    orNull(peers.registry.list({ signal }), 'The list of models cannot be shown right now.'),
    orNull(peers.quarantine.list({ signal }), 'Imports cannot be shown or started right now.'),
    orNull(peers['inference-worker'].status({ signal }), 'The engine cannot answer right now.'),
  ]);
  return { models: models?.models ?? [], jobs: jobs?.jobs ?? [], engine, problems };
}

/** Quarantine's own events, byte for byte. */
async function jobEvents(
  { peers, quarantine }: Parts,
  { params, res, signal }: HandlerContext<Routes['importEvents']>,
): Promise<undefined> {
  const answer = await quarantine.send({
    method: 'GET',
    url: peers.quarantine.address('events', { params }),
    accept: 'text/event-stream',
    signal,
  });
  if (answer.statusCode !== 200) throw await quarantine.refusal(answer);
  res.status(200);
  res.setHeader('content-type', 'text/event-stream; charset=utf-8');
  res.setHeader('x-accel-buffering', 'no');
  res.flushHeaders();
  // Either side going away ends it; the browser's EventSource connects again by itself.
  await pipeline(answer, res).catch(() => res.destroy());
  return undefined;
}

/** Frees the engine before its file goes. A worker that does not answer must not keep the owner from removing a model. */
async function unloadIfLoaded({ peers, logger }: Parts, name: string): Promise<void> {
  const worker = peers['inference-worker'];
  try {
    if ((await worker.status()).model === name) await worker.unload({ deadlineMs: 10_000 });
  } catch (error) {
    logger.warn({ err: error as Error, model: name }, 'unload_before_removal_failed');
  }
}

async function verify({ peers, audit }: Parts, name: string, signal: AbortSignal) {
  const { job_id } = await peers.registry.verify({ params: { name }, signal });
  for (let waitMs = 50; ; waitMs = Math.min(1000, waitMs * 2)) {
    const job = await peers.registry.verification({ params: { id: job_id }, signal });
    if (job.state === 'failed')
      throw new Problem('dependency_unavailable', job.detail ?? `the registry could not verify ${name}; try again`);
    if (job.state !== 'running') {
      const matches = job.state === 'matches';
      await audit.append({ event: 'model_verified', name, matches });
      return {
        matches,
        detail:
          job.detail ??
          (matches ? 'The file is the one that was promoted.' : 'The file is not the one that was promoted.'),
      };
    }
    await delay(waitMs, undefined, { signal });
  }
}
