import type { IncomingMessage } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { Busboy, type BusboyFileStream } from '@fastify/busboy';
import { Problem, sha256 as sha256Schema } from '@secai/contracts';
import { parseJson, readBody, validate } from '@secai/kit';
import { z } from 'zod';
import { chosenName, cleanFileName, nameFromFile } from './names.ts';
import { type QuarantineFolder, storageFull } from './quarantine-folder.ts';

export interface Upload {
  name: string;
  fileName: string;
  size: number;
  expectedSha256: string | null;
}

export interface UploadOptions {
  id: string;
  folder: QuarantineFolder;
  signal: AbortSignal;
  /** Called as soon as the name is known; throws Problem to refuse it before the bytes travel. */
  reserve: (name: string) => Promise<void>;
}

const FIELDS = ['name', 'sha256'];
const MAX_FIELD_BYTES = 1000;
/** How long and how much of a refused upload is still read, so that the sender gets to read the answer. */
const LINGER_MS = 1000;
const LINGER_BYTES = 64 * 1024 * 1024;

const sourceRequest = z.strictObject({
  source_url: z.url({ protocol: /^https$/ }).max(2000),
  sha256: sha256Schema.optional(),
  revision: z.string().min(1).max(200).optional(),
});

/**
 * Receives a submission: multipart with `file` and optional `name` and `sha256`. The file lies complete and durable in
 * `incoming/` afterwards. Throws Problem, and then nothing of it is left.
 */
export async function receiveUpload(req: IncomingMessage, options: UploadOptions): Promise<Upload> {
  const type = (req.headers['content-type'] ?? '').split(';')[0]!.trim().toLowerCase();
  if (type === 'application/json') return refuseSource(req);
  if (type !== 'multipart/form-data')
    throw new Problem(
      'unsupported_media_type',
      `send multipart/form-data with the part "file", not ${type || 'nothing'}`,
    );
  try {
    if (Number(req.headers['content-length'] ?? 0) > (await options.folder.room())) throw storageFull();
    return await new Receiver(req, options).run();
  } catch (error) {
    await options.folder.remove(options.id);
    await linger(req);
    throw error;
  }
}

/** Downloads are the airlock's work, and this version has none. */
async function refuseSource(req: IncomingMessage): Promise<never> {
  validate(sourceRequest, parseJson(await readBody(req, 64 * 1024)), 'body');
  throw new Problem(
    'dependency_unavailable',
    'the airlock is not installed in this version, so nothing can be downloaded; download the file yourself and submit it as a file',
  );
}

class Receiver {
  readonly #req: IncomingMessage;
  readonly #options: UploadOptions;
  readonly #fields = new Map<string, string>();
  readonly #abort = new AbortController();
  #fault: unknown;
  #file: Promise<{ fileName: string; size: number }> | undefined;
  #stream: BusboyFileStream | undefined;
  #name: string | undefined;

  constructor(req: IncomingMessage, options: UploadOptions) {
    this.#req = req;
    this.#options = options;
  }

  async run(): Promise<Upload> {
    const parser = this.#parser();
    try {
      await pipeline(this.#req, parser, { signal: AbortSignal.any([this.#abort.signal, this.#options.signal]) });
    } catch (error) {
      this.#fail(error);
      // The parser does not end the file's stream when the request breaks off.
      this.#stream?.destroy(error as Error);
    }
    const file = await this.#file?.catch((error: unknown) => this.#fail(error));
    if (this.#fault !== undefined) throw this.#problem();
    if (!file) throw invalid('file', 'send the model as the part "file"');
    return {
      name: this.#name ?? (await this.#decideName(file.fileName)),
      fileName: file.fileName,
      size: file.size,
      expectedSha256: this.#fields.get('sha256') ?? null,
    };
  }

  #parser() {
    let parser: InstanceType<typeof Busboy>;
    try {
      parser = new Busboy({
        headers: this.#req.headers as { 'content-type': string },
        limits: {
          files: 1,
          fields: FIELDS.length,
          parts: FIELDS.length + 1,
          fieldSize: MAX_FIELD_BYTES,
          headerPairs: 50,
        },
        preservePath: true,
        fileHwm: 1024 * 1024,
        highWaterMark: 1024 * 1024,
      });
    } catch (error) {
      throw invalid('content-type', (error as Error).message);
    }
    const tooMuch = () => this.#stop(invalid('file', 'send one part "file" and at most one "name" and one "sha256"'));
    for (const event of ['partsLimit', 'filesLimit', 'fieldsLimit'] as const) parser.on(event, tooMuch);
    parser.on('field', (field, value, _nameTruncated, truncated) => this.#onField(field, value, truncated));
    parser.on('file', (field, stream, fileName) => {
      this.#file = this.#onFile(field, stream, fileName as string | undefined);
      this.#file.catch((error: unknown) => this.#stop(error));
    });
    return parser;
  }

  #onField(field: string | undefined, value: string, truncated: boolean): void {
    if (field === undefined || !FIELDS.includes(field)) {
      this.#stop(
        new Problem(
          'unknown_field',
          `there is no field ${JSON.stringify(field?.slice(0, 60))}; send "file", "name", "sha256"`,
        ),
      );
    } else if (truncated || this.#fields.has(field)) {
      this.#stop(invalid(field, truncated ? 'is too long' : 'was sent twice'));
    } else if (field === 'sha256' && !sha256Schema.safeParse(value).success) {
      this.#stop(invalid(field, 'must look like sha256:<64 hex digits>'));
    } else {
      this.#fields.set(field, value);
    }
  }

  async #onFile(field: string | undefined, stream: BusboyFileStream, rawName: string | undefined) {
    // Stops an error that arrives before the loop below listens from ending the process.
    stream.on('error', () => undefined);
    this.#stream = stream;
    if (field !== 'file')
      throw new Problem(
        'unknown_field',
        `there is no file part ${JSON.stringify(field?.slice(0, 60))}; send the model as "file"`,
      );
    const fileName = cleanFileName(rawName ?? '');
    // A name that comes after the file is checked then; the file's own name is only a proposal until the end.
    if (this.#fields.has('name')) this.#name = await this.#decideName(fileName);
    const size = await this.#options.folder.receive(this.#options.id, stream as AsyncIterable<Buffer>);
    return { fileName, size };
  }

  async #decideName(fileName: string): Promise<string> {
    const typed = this.#fields.get('name');
    const name = typed === undefined ? nameFromFile(fileName) : chosenName(typed);
    await this.#options.reserve(name);
    return name;
  }

  #stop(error: unknown): void {
    this.#fail(error);
    this.#abort.abort(error);
  }

  /** Keeps the first fault: the others follow from it. */
  #fail(error: unknown): undefined {
    this.#fault ??= error;
  }

  #problem(): unknown {
    if (this.#fault instanceof Problem) return this.#fault;
    if (this.#req.destroyed || this.#options.signal.aborted) return cut(this.#fault);
    if (this.#fault instanceof Error && /multipart|Malformed|terminated|Part/i.test(this.#fault.message))
      return invalid('body', `the upload is not a whole multipart body (${this.#fault.message}); send it again`);
    return this.#fault;
  }
}

function invalid(field: string, message: string): Problem {
  return new Problem('invalid_field', `${field}: ${message}`, { errors: [{ field, message }] });
}

function cut(cause: unknown): Problem {
  return new Problem('invalid_field', 'the upload was cut off, and nothing of it was kept; send it again', {}, cause);
}

/** Reads on for a moment: closing a connection with unread bytes resets it, and the sender would never see why. */
async function linger(req: IncomingMessage): Promise<void> {
  if (req.complete || req.destroyed) return;
  const done = Promise.withResolvers<void>();
  let bytes = 0;
  const onData = (chunk: Buffer): void => {
    bytes += chunk.length;
    if (bytes > LINGER_BYTES) done.resolve();
  };
  const timer = setTimeout(done.resolve, LINGER_MS);
  req.on('data', onData).once('end', done.resolve).once('close', done.resolve).once('error', done.resolve);
  req.resume();
  await done.promise;
  clearTimeout(timer);
  req.off('data', onData).pause();
}
