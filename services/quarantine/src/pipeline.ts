import { setTimeout as delay } from 'node:timers/promises';
import { Problem, type QuarantineJob, type StageReport, stageNames } from '@secai/contracts';
import { type Clock, isoTime, type Logger, type ServiceContext } from '@secai/kit';
import { JobFeed } from './job-feed.ts';
import { ACTIVE, type Job, type JobChange, type JobState, type Jobs, type StageResult } from './jobs.ts';
import type { Neighbours } from './promotion.ts';
import type { QuarantineFolder } from './quarantine-folder.ts';
import { rejects } from './rules.ts';
import { stages } from './stages/stage.ts';
import { Turnstile } from './turnstile.ts';

export interface PipelineOptions {
  jobs: Jobs;
  folder: QuarantineFolder;
  neighbours: Neighbours;
  audit: Pick<ServiceContext['audit'], 'append'>;
  clock: Clock;
  logger: Logger;
  /** A folder of the service's own for sockets. */
  runDir: string;
  /** How long a job waits for services that do not answer. */
  waitMs: number;
}

const SCANS_AT_ONCE = 2;
const BEHAVIOUR = stageNames.indexOf('behaviour');
/** A policy that changes in the middle voids the scan; a job starts over this often. */
const MAX_SCANS = 3;
const FIRST_PAUSE_MS = 200;
const LONGEST_PAUSE_MS = 5000;

type Stop = 'cancelled' | 'stopping';

interface Running {
  job: Job;
  /** Of the current stage, 0 to 1. */
  progress: number | null;
  promoting: boolean;
  readonly abort: AbortController;
  done: Promise<void>;
}

/** Raised inside a job: it ends in this state for this reason. */
class Ended extends Error {
  override name = 'Ended';
  readonly state: JobState;
  readonly change: JobChange;
  constructor(state: JobState, summary: string, change: JobChange = {}) {
    super(summary);
    this.state = state;
    this.change = change;
  }
}

/**
 * Takes jobs through the seven stages. Every step is in the store before the next begins, so a job that was cut off at
 * any point goes on at its first unfinished stage. Two files are scanned at once and one model runs; jobs keep their order.
 */
export class Pipeline {
  readonly #options: PipelineOptions;
  readonly #running = new Map<string, Running>();
  readonly #scans = new Turnstile(SCANS_AT_ONCE);
  readonly #engine = new Turnstile(1);
  readonly feed: JobFeed;

  constructor(options: PipelineOptions) {
    this.#options = options;
    this.feed = new JobFeed((id) => this.live(id));
  }

  /** Goes on with the jobs of the last run and removes files that belong to none. */
  async resume(): Promise<void> {
    const { jobs, folder, logger } = this.#options;
    const active = await jobs.active();
    const removed = await folder.sweep(new Set(active.map(({ id }) => id)));
    if (removed > 0) logger.warn({ removed }, 'orphans_removed');
    for (const job of active) this.begin(job);
  }

  /** Starts work on a job that is in the store. */
  begin(job: Job): void {
    const running: Running = {
      job,
      progress: null,
      promoting: false,
      abort: new AbortController(),
      done: Promise.resolve(),
    };
    this.#running.set(job.id, running);
    running.done = this.#run(running)
      .catch((error: unknown) => this.#options.logger.error({ err: error as Error, job: job.id }, 'job_left_open'))
      .finally(() => this.#running.delete(job.id));
  }

  /** The present state of an active job; null for others. */
  live(id: string): QuarantineJob | null {
    const running = this.#running.get(id);
    return running ? wireJob(running.job, running.progress) : null;
  }

  /** Ends an active job and removes its file. Throws Problem `conflict` when it is too late. */
  async cancel(id: string): Promise<void> {
    const running = this.#running.get(id);
    if (!running) return;
    if (running.promoting)
      throw new Problem(
        'conflict',
        'all stages are done and the model is being put in place; remove it in the registry instead',
      );
    running.abort.abort('cancelled' satisfies Stop);
    await running.done;
  }

  /** Stops work; the jobs go on at the next start. */
  async stop(): Promise<void> {
    const all = [...this.#running.values()];
    for (const { abort } of all) abort.abort('stopping' satisfies Stop);
    await Promise.allSettled(all.map(({ done }) => done));
  }

  async #run(running: Running): Promise<void> {
    const { signal } = running.abort;
    const lanes = new Lanes(this.#scans, this.#engine, signal);
    try {
      for (let scans = 1; ; scans++) {
        await this.#runStages(running, lanes);
        if (await this.#promote(running)) break;
        if (scans === MAX_SCANS)
          throw new Ended('failed', 'The policy kept changing during the scan; submit the model again.');
        await this.#startOver(running);
      }
    } catch (error) {
      lanes.leave();
      if (signal.reason === ('stopping' satisfies Stop)) return;
      await this.#end(running, endOf(error, signal));
      if (!(error instanceof Ended) && !signal.aborted)
        this.#options.logger.error({ err: error as Error, job: running.job.id }, 'job_failed');
    } finally {
      lanes.leave();
    }
  }

  async #runStages(running: Running, lanes: Lanes): Promise<void> {
    const { jobs, folder, neighbours } = this.#options;
    const { signal } = running.abort;
    for (const [index, name] of stageNames.entries()) {
      if (running.job.stages[index]!.verdict !== null) continue;
      await lanes.enter(index);
      if (!(await folder.has(running.job.id)))
        throw new Ended('failed', 'The submitted file is gone; submit it again.');
      const policyDigest =
        running.job.policy_digest ?? (await this.#available(running, () => neighbours.policyDigest(signal)));
      await this.#change(running, {
        state: 'running',
        current_stage: index,
        policy_digest: policyDigest,
        summary: `Stage ${index + 1} of ${stageNames.length}: ${stages[name].doing}.`,
      });
      running.progress = 0;
      const started = performance.now();
      const { change = {}, ...result } = await stages[name].run({
        job: running.job,
        path: folder.pathOf(running.job.id),
        runDir: this.#options.runDir,
        signal,
        onProgress: (fraction) => {
          running.progress = fraction;
          this.feed.progressed(running.job.id);
        },
      });
      signal.throwIfAborted();
      const report: StageReport = { name, ...result, duration_ms: Math.round(performance.now() - started) };
      await this.#record(running, index, report, change);
      running.progress = null;
      const next = { ...running.job, ...change, stages: running.job.stages.with(index, report) };
      await this.#persist(
        () => jobs.finishStage(next.id, index, { ...result, duration_ms: report.duration_ms! }, change, this.#now()),
        signal,
      );
      running.job = { ...next, updated_at: this.#now() };
      this.#tell(running);
      if (!passes(result)) throw new Ended('rejected', rejection(report));
    }
  }

  /** Resolves false when the policy changed since the scan began, which voids the scan. */
  async #promote(running: Running): Promise<boolean> {
    const { folder, neighbours } = this.#options;
    const { signal } = running.abort;
    await this.#change(running, {
      current_stage: null,
      summary: 'All stages are done; the model is being put in place.',
    });
    signal.throwIfAborted();
    running.promoting = true;
    try {
      const model = await this.#available(running, () =>
        neighbours.promote(running.job, folder.relativePathOf(running.job.id), signal),
      );
      await this.#end(
        running,
        new Ended('passed', `${running.job.name} passed quarantine and can be used.`, {
          decision_id: model.decision_id,
        }),
      );
      return true;
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      if (error.code === 'conflict' && (await this.#policyChanged(running))) return false;
      throw promotionEnd(error);
    } finally {
      running.promoting = false;
    }
  }

  async #policyChanged(running: Running): Promise<boolean> {
    const { signal } = running.abort;
    const digest = await this.#available(running, () => this.#options.neighbours.policyDigest(signal));
    return digest !== running.job.policy_digest;
  }

  async #startOver(running: Running): Promise<void> {
    const change = {
      policy_digest: null,
      current_stage: null,
      summary: 'The policy changed during the scan; starting over.',
    };
    await this.#persist(() => this.#options.jobs.restart(running.job.id, change, this.#now()), running.abort.signal);
    const stages = running.job.stages.map(
      ({ name }): StageReport => ({ name, verdict: null, findings: [], duration_ms: null }),
    );
    running.job = { ...running.job, ...change, stages, scan: null, sha256: null, facts: null };
    this.#tell(running);
  }

  /** The verdict is in the audit log before anything follows from it. */
  async #record({ job }: Running, index: number, report: StageReport, change: JobChange): Promise<void> {
    await this.#options.audit.append({
      event: 'stage',
      job_id: job.id,
      model: job.name,
      stage: stageNames[index]!,
      verdict: report.verdict,
      rules: [...new Set(report.findings.map(({ rule }) => rule))],
      sha256: change.sha256 ?? job.sha256,
    });
  }

  /** Brings a job to its end: record, store, then the file. A crash in between is put right by the next start. */
  async #end(running: Running, { state, message, change }: Ended): Promise<void> {
    const { audit, folder } = this.#options;
    const { id, name, sha256, decision_id } = running.job;
    await audit.append({
      event: 'job_ended',
      job_id: id,
      model: name,
      state,
      summary: message,
      sha256,
      decision_id: change.decision_id ?? decision_id,
    });
    const final = { ...change, state, summary: message, current_stage: null };
    running.progress = null;
    await this.#persist(() => this.#options.jobs.change(id, final, this.#now()), null);
    await folder.remove(id);
    running.job = { ...running.job, ...final, updated_at: this.#now() };
    this.#tell(running);
  }

  async #change(running: Running, change: JobChange): Promise<void> {
    await this.#persist(() => this.#options.jobs.change(running.job.id, change, this.#now()), running.abort.signal);
    running.job = { ...running.job, ...change, updated_at: this.#now() };
    this.#tell(running);
  }

  #tell(running: Running): void {
    this.feed.changed(wireJob(running.job, running.progress));
  }

  /** Repeats `work` while a service it needs does not answer, up to the limit. What the service answers is thrown at once. */
  async #available<T>(running: Running, work: () => Promise<T>): Promise<T> {
    const { signal } = running.abort;
    const { summary } = running.job;
    let waited = 0;
    for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(pause * 2, LONGEST_PAUSE_MS)) {
      signal.throwIfAborted();
      try {
        const result = await work();
        if (running.job.summary !== summary) await this.#change(running, { summary });
        return result;
      } catch (error) {
        if (!isUnavailable(error)) throw error;
        if (waited >= this.#options.waitMs)
          throw new Ended(
            'failed',
            `Gave up after waiting ${Math.round(waited / 1000)} s: ${error.message}. Submit the model again.`,
          );
        running.job = { ...running.job, summary: `Waiting for another service: ${error.message}.` };
        this.#tell(running);
      }
      await delay(pause, undefined, { signal });
      waited += pause;
    }
  }

  /** Repeats a change of the store until it is done: nothing may follow before. `signal` ends the wait. */
  async #persist(work: () => Promise<void>, signal: AbortSignal | null): Promise<void> {
    for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(pause * 2, LONGEST_PAUSE_MS)) {
      try {
        return await work();
      } catch (error) {
        if (!isUnavailable(error)) throw error;
        this.#options.logger.warn({ err: error }, 'store_unavailable');
      }
      await delay(pause, undefined, signal ? { signal } : {});
    }
  }

  #now(): string {
    return isoTime(this.#options.clock);
  }
}

/** Which turnstile a job has passed: scanning up to the behaviour stage, then the engine, then none. */
class Lanes {
  readonly #scans: Turnstile;
  readonly #engine: Turnstile;
  readonly #signal: AbortSignal;
  #at: Turnstile | null = null;
  #leave: (() => void) | null = null;

  constructor(scans: Turnstile, engine: Turnstile, signal: AbortSignal) {
    this.#scans = scans;
    this.#engine = engine;
    this.#signal = signal;
  }

  async enter(stage: number): Promise<void> {
    const lane = stage < BEHAVIOUR ? this.#scans : stage === BEHAVIOUR ? this.#engine : null;
    if (lane === this.#at && this.#leave) return;
    this.leave();
    if (lane) this.#leave = await lane.enter(this.#signal);
    this.#at = lane;
  }

  leave(): void {
    this.#leave?.();
    this.#leave = null;
    this.#at = null;
  }
}

/** The wire form of a job. */
export function wireJob(job: Job, progress: number | null = null): QuarantineJob {
  const { file_name: _f, submitted_by: _s, expected_sha256: _e, scan: _c, policy_digest: _p, ...wire } = job;
  return { ...wire, progress: ACTIVE.includes(job.state) ? progress : null };
}

function passes({ verdict, findings }: StageResult): boolean {
  return (verdict === 'pass' || verdict === 'skip') && !findings.some(rejects);
}

function rejection({ name, verdict, findings }: StageReport): string {
  const worst = findings.find(rejects);
  const others = findings.filter(rejects).length - 1;
  const more = others > 0 ? ` (and ${others} more)` : '';
  const how = verdict === 'error' ? 'could not finish' : 'found something';
  return `Rejected: the stage "${name}" ${how}: ${worst?.message ?? 'see its findings'}${more}.`;
}

function promotionEnd(problem: Problem): Ended {
  const change: JobChange = problem.extra.decision_id ? { decision_id: problem.extra.decision_id } : {};
  const refused = problem.code === 'policy_denied' || problem.code === 'integrity_mismatch';
  return new Ended(
    refused ? 'rejected' : 'failed',
    `${refused ? 'Rejected' : 'Not put in place'}: ${problem.message}`,
    change,
  );
}

function endOf(error: unknown, signal: AbortSignal): Ended {
  if (signal.aborted) return new Ended('cancelled', 'Cancelled; its file was removed.');
  if (error instanceof Ended) return error;
  return new Ended('failed', `The scan could not be done on this machine: ${(error as Error).message}`);
}

function isUnavailable(error: unknown): error is Problem {
  return error instanceof Problem && (error.code === 'dependency_unavailable' || error.code === 'policy_unreachable');
}
