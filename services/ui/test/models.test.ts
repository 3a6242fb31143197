import { once } from 'node:events';
import { chmod, readdir, writeFile } from 'node:fs/promises';
import { type IncomingMessage, request } from 'node:http';
import { join } from 'node:path';
import type { QuarantineJob } from '@secai/contracts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Browser, eventsOf } from './support/browser.ts';
import { Stack } from './support/stack.ts';

let stack: Stack;
let owner: Browser;
beforeAll(async () => {
  stack = await Stack.start({ quarantine: true });
  owner = await stack.loggedIn();
});
afterAll(() => stack?.stop());

interface Overview {
  models: { name: string }[];
  jobs: QuarantineJob[];
  engine: object | null;
  problems: string[];
}
const overview = async () => (await owner.get('/api/models')).json as unknown as Overview;
function upload(name: string, bytes: Buffer): Promise<Response> {
  const form = new FormData();
  form.set('name', name);
  form.set('file', new Blob([new Uint8Array(bytes)]), `${name}.gguf`);
  return fetch(`${stack.ui.url}/api/models/import`, {
    method: 'POST',
    headers: { cookie: owner.cookie!, 'x-secai-csrf': owner.csrf!, origin: stack.ui.url },
    body: form,
  });
}

/** The head of an upload and how to go on with it. */
function beginUpload(name: string) {
  const req = request(`${stack.ui.url}/api/models/import`, {
    method: 'POST',
    headers: {
      cookie: owner.cookie!,
      'x-secai-csrf': owner.csrf!,
      'content-type': 'multipart/form-data; boundary=b',
      'content-length': 100_000_000,
    },
  });
  req.on('error', () => undefined);
  req.write(
    `--b\r\ncontent-disposition: form-data; name="name"\r\n\r\n${name}\r\n--b\r\ncontent-disposition: form-data; name="file"; filename="x.gguf"\r\n\r\n`,
  );
  req.write(Buffer.alloc(1_000_000));
  return req;
}

describe('an import', () => {
  it('goes through to quarantine, and its events come back until it is judged', async () => {
    const pickle = Buffer.concat([Buffer.from('\x80\x04\x95'), Buffer.alloc(100_000)]);
    const answer = await upload('pickle', pickle);
    expect(answer.status).toBe(202);
    const job = (await answer.json()) as QuarantineJob;
    expect(job).toMatchObject({ name: 'pickle', size: pickle.length });
    let newest: QuarantineJob | undefined;
    for await (const { event, data } of eventsOf(await owner.open('GET', `/api/models/jobs/${job.id}/events`))) {
      expect(event).toBe('job');
      newest = data as QuarantineJob;
    }
    expect(newest).toMatchObject({ id: job.id, state: 'rejected' });
    expect((await owner.get(`/api/models/jobs/${job.id}`)).json).toMatchObject({
      state: newest!.state,
      stages: newest!.stages,
    });
    expect((await overview()).jobs.map(({ id }) => id)).toContain(job.id);
    expect((await owner.send('DELETE', `/api/models/jobs/${job.id}`)).status).toBe(200);
    expect((await owner.get(`/api/models/jobs/${job.id}`)).json).toMatchObject({ status: 404, code: 'not_found' });
    expect((await owner.get(`/api/models/jobs/${job.id}/events`)).json).toMatchObject({
      status: 404,
      code: 'not_found',
    });
  });

  it('is refused with quarantine’s reason, also while it is still coming in', async () => {
    expect(await (await upload('../up', Buffer.alloc(10))).json()).toMatchObject({ code: 'invalid_field' });
    const req = beginUpload('..');
    const refused = await new Promise<{ status: number; text: string }>((resolve, reject) => {
      req.once('error', reject);
      req.once('response', async (res) => {
        let text = '';
        for await (const chunk of res) text += chunk;
        resolve({ status: res.statusCode!, text });
      });
    });
    expect(refused.status).toBe(400);
    expect(JSON.parse(refused.text)).toMatchObject({ code: 'invalid_field', request_id: expect.any(String) });
    req.destroy();
    const text = await owner.post('/api/models/import', { source_url: 'https://example.com/x.gguf' });
    expect(text.json).toMatchObject({ code: 'unsupported_media_type' });
  });

  it('that is cut off breaks off at quarantine too, and is no job', async () => {
    const received = once(stack.quarantine.server, 'request') as Promise<[IncomingMessage]>;
    const req = beginUpload('cut');
    const [atQuarantine] = await received;
    const ended = once(atQuarantine, 'close').catch(() => undefined);
    req.destroy();
    await ended;
    expect(atQuarantine.complete).toBe(false);
    expect((await overview()).jobs.map(({ name }) => name)).not.toContain('cut');
  });
});

describe('a model', () => {
  it('is shown, verified, and found out when it changed', async () => {
    await stack.promote('tiny');
    expect((await overview()).models).toMatchObject([{ name: 'tiny' }]);
    expect((await owner.post('/api/models/tiny/verify')).json).toMatchObject({ matches: true });
    const folder = join(stack.dir, 'models');
    const file = (await readdir(folder)).find((name) => name.endsWith('.gguf'))!;
    await chmod(folder, 0o755);
    await chmod(join(folder, file), 0o644);
    await writeFile(join(folder, file), 'weights of evil');
    expect((await owner.post('/api/models/tiny/verify')).json).toMatchObject({ matches: false });
    expect((await owner.post('/api/models/none/verify')).json).toMatchObject({ code: 'not_found' });
  });

  it('is removed, and then nobody can ask it', async () => {
    await stack.promote('gone');
    const { id } = (await owner.post('/api/chats', { model: 'gone' })).json as { id: string };
    const ask = () => owner.post(`/api/chats/${id}/messages`, { content: 'q', parent_id: null, model: 'gone' });
    expect((await ask()).status).toBe(200);
    expect((await owner.send('DELETE', '/api/models/gone')).json).toEqual({ removed: 'gone' });
    expect((await ask()).json).toMatchObject({ status: 404, code: 'not_found' });
    expect((await owner.send('DELETE', '/api/models/gone')).json).toMatchObject({ code: 'not_found' });
  });
});

describe('a service that is down', () => {
  it('is named, and the rest still answers', async () => {
    await stack.quarantine.stop();
    const { models, jobs, problems } = await overview();
    expect(models.length).toBeGreaterThan(0);
    expect(jobs).toEqual([]);
    expect(problems.join(' ')).toContain('Imports cannot be shown or started right now.');
    const started = performance.now();
    const answer = await upload('late', Buffer.alloc(1000));
    expect(await answer.json()).toMatchObject({ code: 'dependency_unavailable' });
    expect(performance.now() - started).toBeLessThan(2000);
  });

  it('shows on the system page', async () => {
    const system = (await owner.get('/api/system')).json as unknown as {
      services: { name: string; ready: boolean; detail: string }[];
      decisions: { domain: string }[];
      notices: string[];
    };
    const find = (name: string) => system.services.find((service) => service.name === name);
    expect(find('quarantine')).toMatchObject({ ready: false, detail: expect.stringContaining('not answering') });
    expect(find('registry')).toMatchObject({ ready: true, detail: 'ok' });
    expect(system.decisions.map(({ domain }) => domain)).toContain('sensitivity');
    expect(system.notices).toEqual([]);
    await stack.ui.stop();
    const notices = join(stack.dir, 'notices.json');
    await writeFile(notices, '["pip is missing, so the starter model could not be fetched."]');
    stack.environment.env['SECAI_NOTICES_FILE'] = notices;
    await stack.restartUi();
    expect((await owner.get('/api/system')).json).toMatchObject({
      notices: ['pip is missing, so the starter model could not be fetched.'],
    });
  });
});
