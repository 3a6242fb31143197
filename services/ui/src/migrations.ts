import type { Migration } from '@secai/store';

export const migrations: readonly Migration[] = [
  {
    id: 1,
    name: 'owner, sessions, keys and chats',
    sql: `
      -- One row at most: the machine has one owner.
      CREATE TABLE ui.owner (
        id boolean PRIMARY KEY DEFAULT true CHECK (id),
        passphrase_hash text NOT NULL,
        changed_at timestamptz NOT NULL
      );
      -- One row: attempts at the passphrase, kept here so that a restart forgives nothing.
      CREATE TABLE ui.login_guard (
        id boolean PRIMARY KEY DEFAULT true CHECK (id),
        tokens double precision NOT NULL,
        refilled_at timestamptz NOT NULL,
        failures integer NOT NULL DEFAULT 0,
        held_until timestamptz
      );
      INSERT INTO ui.login_guard (tokens, refilled_at) VALUES (5, 'epoch');
      CREATE TABLE ui.sessions (
        token_hash bytea PRIMARY KEY,
        created_at timestamptz NOT NULL,
        last_seen_at timestamptz NOT NULL
      );
      CREATE TABLE ui.api_keys (
        id uuid PRIMARY KEY,
        name text NOT NULL,
        prefix text NOT NULL,
        secret_hash bytea NOT NULL UNIQUE,
        created_at timestamptz NOT NULL,
        last_used_at timestamptz
      );
      CREATE TABLE ui.chats (
        id uuid PRIMARY KEY,
        title text NOT NULL,
        titled boolean NOT NULL DEFAULT false,
        model text,
        system_prompt text NOT NULL DEFAULT '',
        pinned boolean NOT NULL DEFAULT false,
        head_id uuid,
        search tsvector NOT NULL,
        created_at timestamptz NOT NULL,
        updated_at timestamptz NOT NULL
      );
      CREATE TABLE ui.messages (
        id uuid PRIMARY KEY,
        seq bigint GENERATED ALWAYS AS IDENTITY,
        chat_id uuid NOT NULL REFERENCES ui.chats (id) ON DELETE CASCADE,
        parent_id uuid,
        role text NOT NULL CHECK (role IN ('user', 'assistant')),
        content text NOT NULL,
        state text NOT NULL CHECK (state IN ('complete', 'stopped', 'interrupted', 'streaming')),
        model text,
        stats jsonb,
        search tsvector NOT NULL,
        created_at timestamptz NOT NULL,
        UNIQUE (chat_id, id),
        -- A parent of another chat cannot be named.
        FOREIGN KEY (chat_id, parent_id) REFERENCES ui.messages (chat_id, id) ON DELETE CASCADE
      );
      CREATE INDEX chats_updated ON ui.chats (updated_at DESC);
      CREATE INDEX chats_search ON ui.chats USING gin (search);
      CREATE INDEX messages_search ON ui.messages USING gin (search);
      CREATE INDEX messages_parent ON ui.messages (chat_id, parent_id);
      CREATE INDEX messages_streaming ON ui.messages (id) WHERE state = 'streaming';
    `,
  },
];
