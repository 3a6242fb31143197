/** The way of a person: choose a passphrase, import a model, wait for quarantine, chat. Over the page's port, as a browser would. */
import { createReadStream, statSync } from 'node:fs';
import { type ClientRequest, request } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';

export interface Page {
  host: string;
  port: number;
}

interface Answer {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  text: string;
}

const origin = 'http://127.0.0.1:8480';

export class Journey {
  readonly #page: Page;
  #headers: Record<string, string> = { host: '127.0.0.1:8480', origin };

  constructor(page: Page) {
    this.#page = page;
  }

  /** Sends one request and collects the answer. `onText` sees the body as it comes. */
  call(method: string, path: string, body?: unknown, onText?: (text: string) => void): Promise<Answer> {
    const payload = body === undefined ? undefined : JSON.stringify(body);
    return this.#send(
      method,
      path,
      payload === undefined ? {} : { 'content-type': 'application/json' },
      (out) => void out.end(payload),
      onText,
    );
  }

  #send(
    method: string,
    path: string,
    headers: Record<string, string>,
    write: (out: ClientRequest) => void,
    onText?: (text: string) => void,
  ): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const out = request({ ...this.#page, method, path, headers: { ...this.#headers, ...headers } }, (incoming) => {
        let text = '';
        incoming.setEncoding('utf8').on('data', (part: string) => {
          text += part;
          onText?.(part);
        });
        incoming.on('end', () => resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, text }));
        incoming.on('error', reject);
      });
      out.on('error', reject);
      write(out);
    });
  }

  async #json<T>(method: string, path: string, body?: unknown): Promise<T> {
    const answer = await this.call(method, path, body);
    if (answer.status < 200 || answer.status > 299)
      throw new Error(`${method} ${path}: ${answer.status} ${answer.text.slice(0, 400)}`);
    return JSON.parse(answer.text) as T;
  }

  /** Sets the passphrase on a fresh machine; keeps the session. */
  async setUp(passphrase: string): Promise<void> {
    const answer = await this.call('POST', '/api/setup', { passphrase });
    if (answer.status !== 201) throw new Error(`setup: ${answer.status} ${answer.text.slice(0, 300)}`);
    const cookie = ([] as string[]).concat(answer.headers['set-cookie'] ?? [])[0]?.split(';')[0] ?? '';
    const { csrf_token: csrf } = JSON.parse(answer.text) as { csrf_token: string };
    this.#headers = { ...this.#headers, cookie, 'x-secai-csrf': csrf };
  }

  /** Uploads a model file and waits for the verdict; returns one word per stage. Rejects when it does not pass. */
  async importModel(file: string, name: string, seconds: number): Promise<string> {
    const boundary = 'secai-acceptance';
    const head = `--${boundary}\r\nContent-Disposition: form-data; name="name"\r\n\r\n${name}\r\n--${boundary}\r\nContent-Disposition: form-data; name="file"; filename="${name}.gguf"\r\nContent-Type: application/octet-stream\r\n\r\n`;
    const tail = `\r\n--${boundary}--\r\n`;
    const length = Buffer.byteLength(head) + statSync(file).size + Buffer.byteLength(tail);
    const answer = await this.#send(
      'POST',
      '/api/models/import',
      { 'content-type': `multipart/form-data; boundary=${boundary}`, 'content-length': String(length) },
      (out) => {
        out.write(head);
        createReadStream(file)
          .on('end', () => out.end(tail))
          .pipe(out, { end: false });
      },
    );
    if (answer.status !== 202) throw new Error(`import: ${answer.status} ${answer.text.slice(0, 300)}`);
    const { id } = JSON.parse(answer.text) as { id: string };
    const deadline = performance.now() + seconds * 1000;
    for (;;) {
      const job = await this.#json<{
        state: string;
        stages: { name: string; verdict: string | null; findings: { message: string }[] }[];
      }>('GET', `/api/models/jobs/${id}`);
      const stages = job.stages.map((stage) => `${stage.name} ${stage.verdict}`).join(', ');
      if (job.state === 'passed') return stages;
      if (!['queued', 'running'].includes(job.state)) {
        throw new Error(
          `${job.state}: ${stages}; ${job.stages
            .flatMap((stage) => stage.findings.map((one) => one.message))
            .join('; ')
            .slice(0, 600)}`,
        );
      }
      if (performance.now() > deadline) throw new Error(`not through quarantine within ${seconds} s: ${stages}`);
      await delay(1000);
    }
  }

  /** Asks one question; resolves with the answer and the seconds to its first text. */
  async chat(model: string, content: string): Promise<{ text: string; firstSeconds: number }> {
    const { id } = await this.#json<{ id: string }>('POST', '/api/chats', { model });
    const started = performance.now();
    let firstSeconds = Number.NaN;
    const answer = await this.call(
      'POST',
      `/api/chats/${id}/messages`,
      { content, parent_id: null, model, max_tokens: 24 },
      (text) => {
        if (Number.isNaN(firstSeconds) && text.includes('event: delta'))
          firstSeconds = (performance.now() - started) / 1000;
      },
    );
    const events = answer.text.split('\n\n').map((block) => ({
      event: /^event: (.*)$/m.exec(block)?.[1],
      data: /^data: (.*)$/m.exec(block)?.[1],
    }));
    const text = events
      .filter((one) => one.event === 'delta')
      .map((one) => (JSON.parse(one.data ?? '{}') as { text?: string }).text ?? '')
      .join('');
    if (!events.some((one) => one.event === 'done'))
      throw new Error(`the answer did not end: ${answer.status} ${answer.text.slice(-300)}`);
    return { text, firstSeconds };
  }
}
