import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

type Script = (res: ServerResponse, body: Record<string, unknown>, req: IncomingMessage) => void | Promise<void>;

/** A model engine that speaks the OpenAI protocol as a script says, for streams that no real engine makes on demand. */
export class ScriptedEngine {
  /** The next answers; an empty list means `hello world`. */
  readonly scripts: Script[] = [];
  readonly requests: { path: string; body: Record<string, unknown>; raw: Buffer }[] = [];
  readonly #server: Server;
  /** Answers whose connection broke before they ended. */
  cancelled = 0;
  #onRequest = Promise.withResolvers<void>();

  private constructor(server: Server) {
    this.#server = server;
    server.on('request', (req, res) => this.#serve(req, res));
  }

  static async start(): Promise<ScriptedEngine> {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new ScriptedEngine(server);
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async asked(): Promise<void> {
    await this.#onRequest.promise;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  async #serve(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of req) chunks.push(chunk as Buffer);
    const raw = Buffer.concat(chunks);
    if (req.method === 'GET') {
      res.setHeader('content-type', 'application/json');
      res.end(JSON.stringify({ object: 'list', data: [{ id: 'tiny', object: 'model', created: 1, owned_by: 'me' }] }));
      return;
    }
    const body = JSON.parse(raw.toString()) as Record<string, unknown>;
    this.requests.push({ path: req.url ?? '', body, raw });
    res.once('close', () => {
      if (!res.writableFinished) this.cancelled++;
    });
    const script = this.scripts.shift() ?? ((answer: ServerResponse) => stream(answer, ['hello', ' world']));
    this.#onRequest.resolve();
    this.#onRequest = Promise.withResolvers();
    await script(res, body, req);
  }
}

const BASE = { id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1, model: 'tiny' };

export function delta(text: string): string {
  return line({ ...BASE, choices: [{ index: 0, delta: { content: text }, finish_reason: null }] });
}

export function line(value: unknown): string {
  return `data: ${JSON.stringify(value)}\n\n`;
}

export function begin(res: ServerResponse): void {
  res.writeHead(200, { 'content-type': 'text/event-stream' });
  res.write(line({ ...BASE, choices: [{ index: 0, delta: { role: 'assistant', content: '' }, finish_reason: null }] }));
}

/** The closing chunks of a whole answer. */
export function finish(res: ServerResponse, completionTokens: number): void {
  res.write(line({ ...BASE, choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] }));
  res.write(
    line({
      ...BASE,
      choices: [],
      usage: { prompt_tokens: 7, completion_tokens: completionTokens, total_tokens: 7 + completionTokens },
    }),
  );
  res.end('data: [DONE]\n\n');
}

export function stream(res: ServerResponse, texts: readonly string[]): void {
  begin(res);
  for (const text of texts) res.write(delta(text));
  finish(res, texts.length);
}
