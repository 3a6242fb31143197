import { Problem } from '@secai/contracts';

/** What an OpenAI chat completion stream says. */
export type CompletionEvent =
  | { type: 'text'; text: string }
  | { type: 'usage'; promptTokens: number; completionTokens: number };

/** A line longer than this is no delta of a model. */
const MAX_LINE = 1024 * 1024;

/**
 * Reads the server-sent events of a chat completion (https://platform.openai.com/docs/api-reference/chat-streaming)
 * whatever the chunk borders; broken UTF-8 becomes U+FFFD. Ends after `[DONE]`, or where the stream ends after a
 * finish_reason. Throws `engine_failed` when the stream says so, breaks off, or is not such a stream.
 */
export async function* readCompletion(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<CompletionEvent> {
  const decoder = new TextDecoder();
  let rest = '';
  let finished = false;
  let done = false;
  let heldSurrogate = '';
  try {
    for await (const chunk of bytes) {
      // Read to the very end, so that the connection can be used again.
      if (done) continue;
      rest += decoder.decode(chunk, { stream: true });
      const lines = rest.split('\n');
      rest = lines.pop()!;
      if (rest.length > MAX_LINE) throw broken('it sent a line of more than a million characters');
      for (const line of lines) {
        if (!line.startsWith('data:')) continue;
        const data = line.slice(5).trim();
        if (data === '[DONE]') {
          done = true;
          break;
        }
        const said = readChunk(data);
        finished ||= said.finished;
        // An emoji may be cut between two chunks, as escaped halves.
        const text = heldSurrogate + said.text;
        heldSurrogate = /[\ud800-\udbff]$/.test(text) ? text.slice(-1) : '';
        const whole = heldSurrogate ? text.slice(0, -1) : text;
        if (whole !== '') yield { type: 'text', text: whole };
        if (said.usage) yield said.usage;
      }
    }
  } catch (error) {
    if (error instanceof Problem) throw error;
    throw broken('the connection broke', error);
  }
  if (!done && !finished) throw broken('the answer ended in the middle');
}

interface Chunk {
  text: string;
  finished: boolean;
  usage?: CompletionEvent;
}

function readChunk(data: string): Chunk {
  let json: {
    error?: { message?: unknown };
    choices?: { delta?: { content?: unknown }; finish_reason?: unknown }[];
    usage?: { prompt_tokens?: unknown; completion_tokens?: unknown } | null;
  } | null;
  try {
    json = JSON.parse(data);
  } catch (error) {
    throw broken('it sent something that is not JSON', error);
  }
  if (json?.error) throw new Problem('engine_failed', String(json.error.message ?? 'the engine reported an error'));
  const choice = Array.isArray(json?.choices) ? json.choices[0] : undefined;
  const prompt = json?.usage?.prompt_tokens;
  const completion = json?.usage?.completion_tokens;
  const counted = Number.isSafeInteger(prompt) && Number.isSafeInteger(completion);
  return {
    text: typeof choice?.delta?.content === 'string' ? choice.delta.content : '',
    finished: typeof choice?.finish_reason === 'string',
    ...(counted && {
      usage: { type: 'usage', promptTokens: prompt as number, completionTokens: completion as number },
    }),
  };
}

function broken(why: string, cause?: unknown): Problem {
  return new Problem('engine_failed', `the model engine stopped while it was answering: ${why}`, {}, cause);
}
