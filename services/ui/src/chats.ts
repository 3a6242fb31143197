import { randomUUID } from 'node:crypto';
import { type Chat, type ChatMessage, type ChatSummary, Problem } from '@secai/contracts';
import type { Clock } from '@secai/kit';
import type { Store } from '@secai/store';
import { isMissingReference } from './database.ts';
import { searchQuery, searchWords, snippetOf } from './search.ts';
import { storable } from './text.ts';
import { titleFrom, UNTITLED } from './title.ts';

/** Search finds older ones. */
const MAX_LISTED = 1000;
const MAX_FOUND = 100;

interface ChatRow extends Record<string, unknown> {
  id: string;
  title: string;
  titled: boolean;
  model: string | null;
  system_prompt: string;
  pinned: boolean;
  head_id: string | null;
  created_at: Date;
  updated_at: Date;
}

interface MessageRow extends Record<string, unknown> {
  id: string;
  parent_id: string | null;
  role: ChatMessage['role'];
  content: string;
  state: ChatMessage['state'];
  model: string | null;
  stats: ChatMessage['stats'];
  created_at: Date;
}

const CHAT = 'id, title, titled, model, system_prompt, pinned, head_id, created_at, updated_at';
const MESSAGE = 'id, parent_id, role, content, state, model, stats, created_at';

/** Chats and their messages, a tree by `parent_id`, in the store. */
export class Chats {
  readonly #store: Store;
  readonly #clock: Clock;

  constructor(store: Store, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
  }

  /** Newest first; with a question those whose title, or one of whose messages, has all its words. */
  async list(question: string | undefined): Promise<(ChatSummary & { snippet: string | null })[]> {
    if (question === undefined || question.trim() === '') {
      const rows = await this.#store.query<ChatRow>(
        `SELECT ${CHAT} FROM ui.chats ORDER BY updated_at DESC, id LIMIT ${MAX_LISTED}`,
      );
      return rows.map((row) => ({ ...summaryOf(row), snippet: null }));
    }
    const wanted = searchQuery(question);
    if (wanted === null) return [];
    const rows = await this.#store.query<ChatRow & { hit: string | null }>(
      `WITH hits AS (
         SELECT DISTINCT ON (chat_id) chat_id, content FROM ui.messages
         WHERE search @@ $1::tsquery ORDER BY chat_id, seq DESC
       )
       SELECT ${CHAT}, hits.content AS hit FROM ui.chats LEFT JOIN hits ON hits.chat_id = id
       WHERE search @@ $1::tsquery OR hits.chat_id IS NOT NULL
       ORDER BY updated_at DESC, id LIMIT ${MAX_FOUND}`,
      [wanted],
    );
    return rows.map((row) => ({
      ...summaryOf(row),
      snippet: row.hit === null ? null : snippetOf(row.hit, question),
    }));
  }

  async create(model: string | null, systemPrompt: string): Promise<Chat> {
    const now = new Date(this.#clock.now());
    const row = await this.#store.one<ChatRow>(
      `INSERT INTO ui.chats (id, title, model, system_prompt, search, created_at, updated_at)
       VALUES ($1, $2, $3, $4, array_to_tsvector('{}'), $5, $5) RETURNING ${CHAT}`,
      [randomUUID(), UNTITLED, model, storable(systemPrompt), now],
    );
    return { ...summaryOf(row!), head_id: null, system_prompt: row!.system_prompt, messages: [] };
  }

  /** Throws `not_found`. */
  async get(id: string): Promise<Chat> {
    const [row, messages] = await Promise.all([this.#row(id), this.#messages(id)]);
    return {
      ...summaryOf(row),
      head_id: row.head_id,
      system_prompt: row.system_prompt,
      messages: messages.map(messageOf),
    };
  }

  async update(
    id: string,
    change: { title?: string; pinned?: boolean; system_prompt?: string; head_id?: string },
  ): Promise<void> {
    if (change.head_id !== undefined) {
      const head = await this.#store.one('SELECT 1 FROM ui.messages WHERE chat_id = $1 AND id = $2', [
        id,
        change.head_id,
      ]);
      if (!head) throw new Problem('invalid_field', 'body.head_id: there is no such message in this chat');
    }
    const title = change.title === undefined ? null : storable(change.title);
    const row = await this.#store.one(
      `UPDATE ui.chats SET
         title = coalesce($2, title), titled = titled OR $2 IS NOT NULL,
         search = CASE WHEN $2::text IS NULL THEN search ELSE array_to_tsvector($3::text[]) END,
         pinned = coalesce($4, pinned), system_prompt = coalesce($5, system_prompt), head_id = coalesce($6, head_id)
       WHERE id = $1 RETURNING id`,
      [
        id,
        title,
        searchWords(title ?? ''),
        change.pinned ?? null,
        change.system_prompt === undefined ? null : storable(change.system_prompt),
        change.head_id ?? null,
      ],
    );
    if (!row) throw missingChat();
  }

  /** Throws `not_found`. */
  async delete(id: string): Promise<void> {
    const row = await this.#store.one('DELETE FROM ui.chats WHERE id = $1 RETURNING id', [id]);
    if (!row) throw missingChat();
  }

  /** The chat's system prompt. Throws `not_found`. */
  async systemPrompt(id: string): Promise<string> {
    return (await this.#row(id)).system_prompt;
  }

  /** The messages from the root down to `headId`; empty for null. Throws `not_found` when it is in no such chat. */
  async branch(chatId: string, headId: string | null): Promise<ChatMessage[]> {
    if (headId === null) return [];
    const rows = await this.#store.query<MessageRow>(
      `WITH RECURSIVE branch AS (
         SELECT ${MESSAGE}, 1 AS depth FROM ui.messages WHERE chat_id = $1 AND id = $2
         UNION ALL
         SELECT ${MESSAGE.split(', ')
           .map((column) => `parent.${column}`)
           .join(', ')}, branch.depth + 1
         FROM ui.messages parent JOIN branch ON parent.chat_id = $1 AND parent.id = branch.parent_id
       ) SELECT ${MESSAGE} FROM branch ORDER BY depth DESC`,
      [chatId, headId],
    );
    if (rows.length === 0) throw new Problem('not_found', 'there is no such message in this chat');
    return rows.map(messageOf);
  }

  /** Adds a question and its still empty answer, in one statement: both or neither. */
  async ask(
    chatId: string,
    parentId: string | null,
    content: string,
    model: string,
  ): Promise<{ user: ChatMessage; assistant: ChatMessage }> {
    const now = this.#clock.now();
    const text = storable(content);
    const user = draft({ parent_id: parentId, role: 'user', content: text, state: 'complete', model: null }, now);
    // A millisecond later, so that sorting by time keeps question and answer in order.
    const assistant = draft({ parent_id: user.id, role: 'assistant', content: '', state: 'streaming', model }, now + 1);
    const title = titleFrom(text);
    await this.#insert(
      `WITH question AS (
         INSERT INTO ui.messages (id, chat_id, parent_id, role, content, state, search, created_at)
         VALUES ($2, $1, $3, 'user', $4, 'complete', array_to_tsvector($5::text[]), $6) RETURNING id
       ), answer AS (
         INSERT INTO ui.messages (id, chat_id, parent_id, role, content, state, model, search, created_at)
         SELECT $7::uuid, $1, id, 'assistant', '', 'streaming', $8::text, array_to_tsvector('{}'), $9::timestamptz FROM question RETURNING id
       )
       UPDATE ui.chats SET head_id = (SELECT id FROM answer), model = $8, updated_at = $6,
         title = CASE WHEN titled THEN title ELSE $10 END,
         search = CASE WHEN titled THEN search ELSE array_to_tsvector($11::text[]) END, titled = true
       WHERE id = $1 RETURNING id`,
      [
        chatId,
        user.id,
        parentId,
        text,
        searchWords(text),
        user.created_at,
        assistant.id,
        model,
        assistant.created_at,
        title,
        searchWords(title),
      ],
    );
    return { user, assistant };
  }

  /** Adds another, still empty answer to a question. */
  async askAgain(chatId: string, questionId: string, model: string): Promise<ChatMessage> {
    const assistant = draft(
      { parent_id: questionId, role: 'assistant', content: '', state: 'streaming', model },
      this.#clock.now(),
    );
    await this.#insert(
      `WITH answer AS (
         INSERT INTO ui.messages (id, chat_id, parent_id, role, content, state, model, search, created_at)
         VALUES ($2, $1, $3, 'assistant', '', 'streaming', $4, array_to_tsvector('{}'), $5) RETURNING id
       )
       UPDATE ui.chats SET head_id = (SELECT id FROM answer), model = $4, updated_at = $5 WHERE id = $1 RETURNING id`,
      [chatId, assistant.id, questionId, model, assistant.created_at],
    );
    return assistant;
  }

  /** Writes an answer as far as it is. */
  async saveAnswer(message: ChatMessage): Promise<void> {
    await this.#store.query(
      'UPDATE ui.messages SET content = $2, state = $3, stats = $4, search = array_to_tsvector($5::text[]) WHERE id = $1',
      [message.id, message.content, message.state, message.stats, searchWords(message.content)],
    );
  }

  /** Marks the answers that a crash left unfinished; returns how many. Call it before anything is asked. */
  async markInterrupted(): Promise<number> {
    const rows = await this.#store.query(
      "UPDATE ui.messages SET state = 'interrupted' WHERE state = 'streaming' RETURNING id",
    );
    return rows.length;
  }

  async #row(id: string): Promise<ChatRow> {
    const row = await this.#store.one<ChatRow>(`SELECT ${CHAT} FROM ui.chats WHERE id = $1`, [id]);
    if (!row) throw missingChat();
    return row;
  }

  #messages(chatId: string): Promise<MessageRow[]> {
    return this.#store.query<MessageRow>(`SELECT ${MESSAGE} FROM ui.messages WHERE chat_id = $1 ORDER BY seq`, [
      chatId,
    ]);
  }

  /** The chat, or the message answered, may be deleted between looking and writing. */
  async #insert(sql: string, params: unknown[]): Promise<void> {
    try {
      await this.#store.query(sql, params);
    } catch (error) {
      throw isMissingReference(error) ? missingChat() : error;
    }
  }
}

function missingChat(): Problem {
  return new Problem('not_found', 'there is no such chat');
}

function draft(
  message: Pick<ChatMessage, 'parent_id' | 'role' | 'content' | 'state' | 'model'>,
  now: number,
): ChatMessage {
  return { id: randomUUID(), ...message, stats: null, created_at: new Date(now).toISOString() };
}

function summaryOf(row: ChatRow): ChatSummary {
  return {
    id: row.id,
    title: row.title,
    model: row.model,
    created_at: row.created_at.toISOString(),
    updated_at: row.updated_at.toISOString(),
    pinned: row.pinned,
  };
}

function messageOf(row: MessageRow): ChatMessage {
  return {
    id: row.id,
    parent_id: row.parent_id,
    role: row.role,
    content: row.content,
    state: row.state,
    model: row.model,
    stats: row.stats,
    created_at: row.created_at.toISOString(),
  };
}
