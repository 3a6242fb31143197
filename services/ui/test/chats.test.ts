import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openStore, type Store } from '@secai/store';
import { startPostgres } from '@secai/store/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startStore } from '../../store/src/store.ts';
import { Chats } from '../src/chats.ts';
import { withProblems } from '../src/database.ts';
import { migrations } from '../src/migrations.ts';
import { ManualClock } from './support/clock.ts';

const servers = {
  'the embedded store': async () => {
    const dir = await mkdtemp(join(tmpdir(), 'secai-ui-'));
    const stop = await startStore({ SECAI_STATE_DIR: dir, SECAI_SOCKET_DIR: dir, SECAI_LOG_LEVEL: 'silent' });
    return {
      databaseUrl: `postgres://secai@localhost/postgres?host=${encodeURIComponent(dir)}`,
      stop: async () => {
        await stop();
        await rm(dir, { recursive: true, force: true });
      },
    };
  },
  PostgreSQL: startPostgres,
};
const NOBODY = '00000000-0000-4000-8000-000000000000';

describe.each(Object.entries(servers))('chats in %s', (_name, startServer) => {
  const clock = new ManualClock();
  let server: { databaseUrl: string; stop(): Promise<void> };
  let store: Store;
  let chats: Chats;
  beforeAll(async () => {
    server = await startServer();
    store = withProblems(await openStore({ databaseUrl: server.databaseUrl, schema: 'ui', migrations }));
    chats = new Chats(store, clock);
  });
  afterAll(async () => {
    await store?.close();
    await server?.stop();
  });

  async function chatOf(...texts: [question: string, answer: string][]): Promise<string> {
    const { id } = await chats.create('tiny', '');
    let parent: string | null = null;
    for (const [question, text] of texts) {
      clock.advance(1000);
      const { assistant } = await chats.ask(id, parent, question, 'tiny');
      await chats.saveAnswer({ ...assistant, content: text, state: 'complete' });
      parent = assistant.id;
    }
    return id;
  }
  const found = async (question: string) => (await chats.list(question)).map(({ id }) => id);

  it('start empty and get their title from the first message', async () => {
    const { id } = await chats.create(null, 'Be brief.');
    expect(await chats.get(id)).toMatchObject({
      title: 'New chat',
      system_prompt: 'Be brief.',
      messages: [],
      head_id: null,
    });
    const { user, assistant } = await chats.ask(id, null, '# What is **rye**?\nTell me.', 'tiny');
    const chat = await chats.get(id);
    expect(chat).toMatchObject({ title: 'What is rye ?', model: 'tiny', head_id: assistant.id });
    expect(chat.messages).toEqual([user, assistant]);
    await chats.update(id, { title: 'Mine' });
    await chats.ask(id, assistant.id, 'And wheat?', 'tiny');
    expect((await chats.get(id)).title).toBe('Mine');
  });

  it('branch: an edited question and a second answer stand beside the first', async () => {
    const id = await chatOf(['one', 'first'], ['two', 'second']);
    const [question, answer, second] = (await chats.get(id)).messages;
    const edited = await chats.ask(id, answer!.id, 'two, edited', 'tiny');
    const again = await chats.askAgain(id, question!.id, 'other');
    const texts = async (head: string) => (await chats.branch(id, head)).map(({ content }) => content);
    expect(await texts(edited.assistant.id)).toEqual(['one', 'first', 'two, edited', '']);
    expect(await texts(again.id)).toEqual(['one', '']);
    expect(await texts(second!.id)).toEqual(['one', 'first', 'two']);
    expect((await chats.get(id)).head_id).toBe(again.id);
    await chats.update(id, { head_id: second!.id });
    expect((await chats.get(id)).head_id).toBe(second!.id);
  });

  it('keep to themselves: a message of another chat is no parent, no head and in no branch', async () => {
    const id = await chatOf(['mine', 'yes']);
    const other = (await chats.get(await chatOf(['theirs', 'no']))).messages[1]!.id;
    await expect(chats.branch(id, other)).rejects.toMatchObject({ code: 'not_found' });
    await expect(chats.update(id, { head_id: other })).rejects.toMatchObject({ code: 'invalid_field' });
    await expect(chats.ask(id, other, 'x', 'tiny')).rejects.toMatchObject({ code: 'not_found' });
    await expect(chats.ask(NOBODY, null, 'x', 'tiny')).rejects.toMatchObject({ code: 'not_found' });
    await expect(chats.get(NOBODY)).rejects.toMatchObject({ code: 'not_found' });
    await expect(chats.delete(NOBODY)).rejects.toMatchObject({ code: 'not_found' });
    await expect(chats.update(NOBODY, { pinned: true })).rejects.toMatchObject({ code: 'not_found' });
  });

  it('are found by every word, by beginnings, in titles and messages, in any case and script', async () => {
    const bread = await chatOf([
      'How do I bake sourdough?',
      'Mix flour (rye/wheat) & water; see example.com/bread_recipes.',
    ]);
    const tower = await chatOf(['東京タワーはどこですか', 'Она в Токио, в парке Сиба.']);
    const named = await chatOf(['hm', 'ok']);
    await chats.update(named, { title: 'Überraschung für Zoë' });
    expect(await found('sourdough')).toEqual([bread]);
    expect(await found('SOURD')).toEqual([bread]);
    expect(await found('flour rye')).toEqual([bread]);
    expect(await found('recipes')).toEqual([bread]);
    expect(await found('example.com')).toEqual([bread]);
    expect(await found('flour tower')).toEqual([]);
    expect(await found('ourdough')).toEqual([]);
    expect(await found('タワー')).toEqual([tower]);
    expect(await found('токио')).toEqual([tower]);
    expect(await found('überra')).toEqual([named]);
    expect(await found('zoe\u0308')).toEqual([named]);
    expect((await chats.list('flour'))[0]!.snippet).toContain('Mix flour (rye/wheat)');
    expect((await chats.list('für'))[0]!.snippet).toBeNull();
    await chats.update(named, { title: 'Renamed' });
    expect(await found('überra')).toEqual([]);
    await chats.delete(bread);
    expect(await found('flour')).toEqual([]);
  });

  it.each(["'", "' | 'a", '\\', ':*', '!!', "a' & 'b", '<->', '\u0000', '(((', '%_'])(
    'are searched for words only, never with operators: %j',
    async (question) => {
      await expect(found(question)).resolves.toBeInstanceOf(Array);
    },
  );

  it('keep any text: no NUL, no half characters, and search never refuses one', async () => {
    const words = Array.from({ length: 60_000 }, (_, i) => `${i.toString(36)}-é${i}`).join(' ');
    const id = await chatOf(['a\u0000b\ud800', words]);
    const { messages } = await chats.get(id);
    expect(messages[0]!.content).toBe('a\ufffdb\ufffd');
    expect(messages[1]!.content).toBe(words);
    await chatOf([`${'𝒜'.repeat(100_000)} end`, 'x']);
  });

  it('list the newest first', async () => {
    const old = await chatOf(['older', 'x']);
    const newer = await chatOf(['newer', 'x']);
    clock.advance(1000);
    const order = async () =>
      (await chats.list(undefined)).map(({ id }) => id).filter((id) => id === old || id === newer);
    expect(await order()).toEqual([newer, old]);
    await chats.ask(old, null, 'again', 'tiny');
    expect(await order()).toEqual([old, newer]);
  });

  it('mark what a crash left unfinished', async () => {
    const { id } = await chats.create(null, '');
    const { assistant } = await chats.ask(id, null, 'q', 'tiny');
    await chats.saveAnswer({ ...assistant, content: 'half an ans' });
    expect(await chats.markInterrupted()).toBeGreaterThan(0);
    expect((await chats.get(id)).messages[1]).toMatchObject({ content: 'half an ans', state: 'interrupted' });
    expect(await chats.markInterrupted()).toBe(0);
    expect(await found('half')).toEqual([id]);
  });

  it('use the index for searching', async () => {
    const plan = await store.transaction(async (tx) => {
      await tx.query('SET LOCAL enable_seqscan = off');
      return tx.query("EXPLAIN SELECT chat_id FROM ui.messages WHERE search @@ '''a'':*'::tsquery");
    });
    expect(JSON.stringify(plan)).toContain('messages_search');
  });
});
