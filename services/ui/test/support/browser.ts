import { once } from 'node:events';
import { type IncomingHttpHeaders, type IncomingMessage, request } from 'node:http';

import type { ChatMessage } from '@secai/contracts';

export interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  text: string;
  json: Record<string, unknown>;
}

export interface ServerEvent {
  event: string;
  data: {
    text?: string;
    message?: ChatMessage;
    user?: ChatMessage;
    assistant?: ChatMessage;
    problem?: { detail: string };
  };
}

/** A browser as the server sees it: keeps the cookie and the CSRF token, sends Origin and fetch metadata. */
export class Browser {
  readonly url: string;
  cookie: string | null = null;
  csrf: string | null = null;

  constructor(url: string) {
    this.url = url;
  }

  get(path: string, headers: Record<string, string> = {}): Promise<Answer> {
    return this.send('GET', path, undefined, headers);
  }

  post(path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Answer> {
    return this.send('POST', path, body, headers);
  }

  async send(
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string | undefined> = {},
  ): Promise<Answer> {
    const res = await this.open(method, path, body, headers);
    const chunks: Buffer[] = [];
    for await (const chunk of res) chunks.push(chunk as Buffer);
    const text = Buffer.concat(chunks).toString();
    const json = /json/.test(res.headers['content-type'] ?? '') ? (JSON.parse(text) as Record<string, unknown>) : {};
    if ('csrf_token' in json) this.csrf = json['csrf_token'] as string | null;
    return { status: res.statusCode!, headers: res.headers, text, json };
  }

  /** The head of the answer; destroying it is closing the tab. A header that is undefined is left out. */
  async open(
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string | undefined> = {},
  ): Promise<IncomingMessage> {
    const all: Record<string, string | undefined> = {
      ...(method !== 'GET' && { origin: this.url }),
      'sec-fetch-site': 'same-origin',
      ...(this.cookie && { cookie: this.cookie }),
      ...(this.csrf && method !== 'GET' && { 'x-secai-csrf': this.csrf }),
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...headers,
    };
    const req = request(this.url + path, {
      method,
      headers: Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined)),
    });
    req.end(body === undefined ? undefined : JSON.stringify(body));
    const [res] = (await once(req, 'response')) as [IncomingMessage];
    for (const cookie of res.headers['set-cookie'] ?? []) {
      const pair = cookie.split(';')[0]!;
      this.cookie = pair.endsWith('=') ? null : pair;
    }
    return res;
  }

  /** All events of a stream until its end. */
  async events(method: string, path: string, body?: unknown): Promise<ServerEvent[]> {
    return collect(eventsOf(await this.open(method, path, body)));
  }
}

export async function* eventsOf(res: IncomingMessage): AsyncGenerator<ServerEvent> {
  let rest = '';
  res.setEncoding('utf8');
  for await (const chunk of res) {
    rest += chunk;
    const blocks = rest.split('\n\n');
    rest = blocks.pop()!;
    for (const block of blocks) {
      const [, event, data] = /^event: (.*)\ndata: (.*)$/.exec(block) ?? [];
      if (event !== undefined) yield { event, data: JSON.parse(data!) };
    }
  }
  if (rest !== '') throw new Error(`not an event: ${rest.slice(0, 500)}`);
}

export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}
