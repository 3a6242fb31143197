import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { Problem, type QuarantineJob, quarantineJob } from '@secai/contracts';
import { problemDocument, type Request, type Response } from '@secai/kit';
import { refusalFrom, type Upstream } from './upstream.ts';

/** How long an upload whose answer is there already may go on, so that the browser reads the answer instead of a broken connection. */
const LINGER_MS = 10_000;
/** A job with all its findings. */
const MAX_ANSWER_BYTES = 4 * 1024 * 1024;

/**
 * Streams a multipart upload through to quarantine without keeping any of it. The browser going away breaks the
 * request to quarantine off, which then forgets the part that came.
 * Returns the job, or null when the upload failed before its end and the answer was written here.
 */
export async function uploadToQuarantine(
  upstream: Upstream,
  url: string,
  req: Request,
  res: Response,
): Promise<QuarantineJob | null> {
  const type = req.headers['content-type'] ?? '';
  if (!/^multipart\/form-data\s*;/i.test(type))
    throw new Problem('unsupported_media_type', 'send the file as multipart/form-data with the field "file"');
  const length = req.headers['content-length'];
  const out = upstream.open(url, {
    'content-type': type,
    ...(length === undefined ? { 'transfer-encoding': 'chunked' } : { 'content-length': length }),
  });
  req.once('close', () => {
    if (!req.complete) out.destroy();
  });
  const answered = once(out, 'response') as Promise<[IncomingMessage]>;
  out.on('error', () => req.unpipe(out));
  req.pipe(out);
  let problem: Problem;
  try {
    const [answer] = await answered;
    const text = await readAnswer(answer);
    if (answer.statusCode === 202) return jobFrom(text, upstream);
    problem = refusalFrom('quarantine', answer.statusCode ?? 0, text);
  } catch (error) {
    problem = error instanceof Problem ? error : upstream.unavailable(error);
  }
  if (req.complete || req.destroyed) throw problem;
  req.unpipe(out);
  out.destroy();
  await answerEarly(problem, req, res);
  return null;
}

async function readAnswer(answer: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_ANSWER_BYTES) throw new Error('its answer is too long');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

function jobFrom(text: string, upstream: Upstream): QuarantineJob {
  try {
    return quarantineJob.parse(JSON.parse(text));
  } catch (error) {
    throw upstream.unavailable(new Error(`its answer breaks the contract: ${(error as Error).message.slice(0, 200)}`));
  }
}

/** Writes the refusal while the browser is still sending, and reads on for a moment: closing at once would reset the connection under the answer (RFC 9112, 9.6). */
async function answerEarly(problem: Problem, req: Request, res: Response): Promise<void> {
  res.status(problem.status).type('application/problem+json');
  res.end(JSON.stringify(problemDocument(problem, res.locals['requestId'] as string)));
  req.resume();
  const cut = setTimeout(() => req.socket.destroy(), LINGER_MS);
  try {
    if (!req.complete) await Promise.race([once(req, 'end'), once(req, 'close')]);
  } catch {
    // The browser went away; there is nobody left to answer.
  } finally {
    clearTimeout(cut);
  }
}
