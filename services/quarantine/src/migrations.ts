import type { Migration } from '@secai/store';

export const migrations: readonly Migration[] = [
  {
    id: 1,
    name: 'jobs and stages',
    sql: `
      CREATE TABLE quarantine.jobs (
        id uuid PRIMARY KEY,
        position bigserial NOT NULL,
        name text NOT NULL,
        file_name text NOT NULL,
        state text NOT NULL CHECK (state IN ('queued', 'running', 'passed', 'rejected', 'failed', 'cancelled')),
        current_stage integer,
        summary text NOT NULL,
        origin text NOT NULL,
        submitted_by text NOT NULL,
        size bigint NOT NULL,
        expected_sha256 text,
        sha256 text,
        facts jsonb,
        scan jsonb,
        policy_digest text,
        decision_id text,
        created_at timestamptz NOT NULL,
        updated_at timestamptz NOT NULL
      );
      CREATE UNIQUE INDEX jobs_one_per_name ON quarantine.jobs (name) WHERE state IN ('queued', 'running');
      CREATE INDEX jobs_position ON quarantine.jobs (position);
      CREATE TABLE quarantine.stages (
        job_id uuid NOT NULL REFERENCES quarantine.jobs (id) ON DELETE CASCADE,
        stage integer NOT NULL CHECK (stage BETWEEN 0 AND 6),
        verdict text NOT NULL CHECK (verdict IN ('pass', 'fail', 'skip', 'error')),
        findings jsonb NOT NULL,
        duration_ms integer NOT NULL,
        PRIMARY KEY (job_id, stage)
      );`,
  },
];
