import { type Finding, Problem, type QuarantineJob, type StageReport, stageNames } from '@secai/contracts';
import { openStore, type Queries, type Store } from '@secai/store';
import { migrations } from './migrations.ts';
import type { ScanReport } from './scan-report.ts';

export type JobState = QuarantineJob['state'];
export type Verdict = 'pass' | 'fail' | 'skip' | 'error';

/** A job as the store keeps it: the wire form and what only quarantine needs. */
export interface Job extends Omit<QuarantineJob, 'progress'> {
  /** What the submitted file was called, cleaned. */
  file_name: string;
  submitted_by: string;
  expected_sha256: string | null;
  /** Result of the one pass over the file, once it was made. */
  scan: ScanReport | null;
  policy_digest: string | null;
}

/** What a stage found. */
export interface StageResult {
  verdict: Verdict;
  findings: Finding[];
}

export const ACTIVE: readonly JobState[] = ['queued', 'running'];
const LISTED = 200;

/** Fields that change after submission. */
const MUTABLE = [
  'state',
  'current_stage',
  'summary',
  'sha256',
  'facts',
  'scan',
  'policy_digest',
  'decision_id',
] as const;
export type JobChange = Partial<Pick<Job, (typeof MUTABLE)[number]>>;

/** The jobs in the store. Every method throws Problem `dependency_unavailable` when the store does not answer. */
export class Jobs {
  readonly #store: Store;

  private constructor(store: Store) {
    this.#store = store;
  }

  static async open(databaseUrl: string, onError: (error: Error) => void): Promise<Jobs> {
    return new Jobs(await openStore({ databaseUrl, schema: 'quarantine', migrations, onError }));
  }

  /** Throws Problem `conflict` when another active job has the name. */
  async add(job: Job): Promise<void> {
    await this.#run(async (store) => {
      const inserted = await store.query(
        `INSERT INTO quarantine.jobs (id, name, file_name, state, current_stage, summary, origin, submitted_by, size,
           expected_sha256, created_at, updated_at)
         VALUES ($1, $2, $3, $4, NULL, $5, $6, $7, $8, $9, $10, $10)
         ON CONFLICT (name) WHERE state IN ('queued', 'running') DO NOTHING RETURNING id`,
        [
          job.id,
          job.name,
          job.file_name,
          job.state,
          job.summary,
          job.origin,
          job.submitted_by,
          job.size,
          job.expected_sha256,
          job.created_at,
        ],
      );
      if (inserted.length === 0) throw nameInQuarantine(job.name);
    });
  }

  async hasActive(name: string): Promise<boolean> {
    const row = await this.#run((store) =>
      store.one(`SELECT 1 FROM quarantine.jobs WHERE name = $1 AND state IN ('queued', 'running')`, [name]),
    );
    return row !== null;
  }

  /** Throws Problem `not_found`. */
  async get(id: string): Promise<Job> {
    const [job] = await this.#load('id = $1', [id]);
    if (!job) throw new Problem('not_found', `there is no job ${id}`);
    return job;
  }

  /** The newest first. */
  list(): Promise<Job[]> {
    // Not by arithmetic on positions: a sequence leaves gaps of up to 32 after each crash of the store.
    return this.#load(`id IN (SELECT id FROM quarantine.jobs ORDER BY position DESC LIMIT ${LISTED})`, []);
  }

  /** Queued and running jobs, oldest first. */
  async active(): Promise<Job[]> {
    return (await this.#load(`state IN ('queued', 'running')`, [])).reverse();
  }

  async change(id: string, change: JobChange, now: string): Promise<void> {
    await this.#run((store) => changeJob(store, id, change, now));
  }

  /** Saves a stage's report and what it changes in the job, together. */
  async finishStage(
    id: string,
    stage: number,
    report: StageResult & { duration_ms: number },
    change: JobChange,
    now: string,
  ): Promise<void> {
    await this.#transaction(async (tx) => {
      await tx.query(
        `INSERT INTO quarantine.stages (job_id, stage, verdict, findings, duration_ms) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (job_id, stage) DO UPDATE SET verdict = $3, findings = $4, duration_ms = $5`,
        [id, stage, report.verdict, JSON.stringify(report.findings), report.duration_ms],
      );
      await changeJob(tx, id, change, now);
    });
  }

  /** Forgets what the stages said, so that all of them run again. */
  async restart(id: string, change: JobChange, now: string): Promise<void> {
    await this.#transaction(async (tx) => {
      await tx.query('DELETE FROM quarantine.stages WHERE job_id = $1', [id]);
      await changeJob(tx, id, { ...change, scan: null, sha256: null, facts: null }, now);
    });
  }

  async forget(id: string): Promise<void> {
    await this.#run((store) => store.query('DELETE FROM quarantine.jobs WHERE id = $1', [id]));
  }

  async ping(): Promise<void> {
    await this.#run((store) => store.ping());
  }

  close(): Promise<void> {
    return this.#store.close();
  }

  async #load(where: string, params: unknown[]): Promise<Job[]> {
    const rows = await this.#run((store) =>
      store.query<JobRow>(
        `SELECT jobs.*, coalesce((SELECT jsonb_agg(to_jsonb(stages)) FROM quarantine.stages WHERE job_id = jobs.id), '[]') AS stages
         FROM quarantine.jobs WHERE ${where} ORDER BY position DESC`,
        params,
      ),
    );
    return rows.map(jobOf);
  }

  #transaction<T>(work: (tx: Queries) => Promise<T>): Promise<T> {
    return this.#run((store) => store.transaction(work));
  }

  async #run<T>(work: (store: Store) => Promise<T>): Promise<T> {
    try {
      return await work(this.#store);
    } catch (error) {
      if (error instanceof Problem || isAnswer(error)) throw error;
      throw new Problem('dependency_unavailable', `the store does not answer (${(error as Error).message})`, {}, error);
    }
  }
}

/** Whether the server said no, other than to say that it is going away (SQLSTATE classes 08, 53 and 57). */
function isAnswer(error: unknown): boolean {
  const { code } = error as { code?: unknown };
  return (
    typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) && !/^(?:08|53|57)/.test(code) && !/^E[A-Z]{4}$/.test(code)
  );
}

async function changeJob(queries: Queries, id: string, change: JobChange, now: string): Promise<void> {
  const columns = MUTABLE.filter((column) => column in change);
  const values = columns.map((column) =>
    column === 'facts' || column === 'scan' ? jsonOrNull(change[column]) : (change[column] ?? null),
  );
  const sets = ['updated_at = $2', ...columns.map((column, index) => `${column} = $${index + 3}`)];
  await queries.query(`UPDATE quarantine.jobs SET ${sets.join(', ')} WHERE id = $1`, [id, now, ...values]);
}

function jsonOrNull(value: unknown): string | null {
  return value === null || value === undefined ? null : JSON.stringify(value);
}

interface StageRow {
  stage: number;
  verdict: Verdict;
  findings: Finding[];
  duration_ms: number;
}

type JobRow = Omit<Job, 'stages' | 'size' | 'created_at' | 'updated_at'> & {
  position: string;
  size: string;
  created_at: Date;
  updated_at: Date;
  stages: StageRow[];
};

function jobOf({ position: _, stages, size, created_at, updated_at, ...row }: JobRow): Job {
  return {
    ...row,
    size: Number(size),
    created_at: created_at.toISOString(),
    updated_at: updated_at.toISOString(),
    stages: stageNames.map((name, index): StageReport => {
      const saved = stages.find(({ stage }) => stage === index);
      return saved
        ? { name, verdict: saved.verdict, findings: saved.findings, duration_ms: saved.duration_ms }
        : { name, verdict: null, findings: [], duration_ms: null };
    }),
  };
}

export function nameInQuarantine(name: string): Problem {
  return new Problem(
    'conflict',
    `a model called ${name} is in quarantine already; wait for it, cancel it, or send this one under another name (field "name")`,
  );
}

export function nameTaken(name: string): Problem {
  return new Problem(
    'conflict',
    `there is a model called ${name} already; send this one under another name (field "name") or remove the old one first`,
  );
}
