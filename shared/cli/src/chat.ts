import type { Invocation } from './cli.ts';
import { CliError, EXIT } from './errors.ts';
import { safeText } from './format.ts';

interface Chunk {
  choices?: { delta?: { content?: string | null } }[];
  usage?: Record<string, number> | null;
  error?: { message: string };
}

/** Asks through the same OpenAI-compatible API that other programs use, with the operator's token. */
export async function chatCommand({ machine, words, options, out }: Invocation): Promise<number> {
  const text = words.join(' ').trim();
  if (!text) throw new CliError(EXIT.usage, 'usage: npx secai chat TEXT [--model NAME]');
  const model =
    options.model ??
    (await (await machine.client('registry')).list()).models.find((one) => one.state === 'available')?.name;
  if (!model) throw new CliError(EXIT.failed, 'there is no model yet; `npx secai import FILE` brings one');
  const response = await fetch(`${await machine.address('ui')}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${await machine.token('ui')}`, 'content-type': 'application/json' },
    body: JSON.stringify({
      model,
      messages: [{ role: 'user', content: text }],
      stream: true,
      stream_options: { include_usage: true },
    }),
  });
  if (!response.ok) {
    const answer = (await response.json().catch(() => ({}))) as { error?: { message?: string } };
    throw new CliError(EXIT.failed, answer.error?.message ?? `the page answered ${response.status}`);
  }
  let whole = '';
  let usage: Chunk['usage'] = null;
  for await (const chunk of events(response.body!)) {
    if (chunk.error) throw new CliError(EXIT.failed, `the answer broke off: ${chunk.error.message}`);
    const delta = chunk.choices?.[0]?.delta?.content ?? '';
    whole += delta;
    usage = chunk.usage ?? usage;
    if (!options.json) out(safeText(delta));
  }
  out(options.json ? `${JSON.stringify({ model, content: whole, usage }, null, 2)}\n` : '\n');
  return EXIT.ok;
}

/** The JSON payloads of a stream of server-sent events, up to `[DONE]`. */
async function* events(body: ReadableStream<Uint8Array>): AsyncGenerator<Chunk> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const bytes of body) {
    const lines = (rest + decoder.decode(bytes, { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      if (!line.startsWith('data:')) continue;
      const data = line.slice(5).trim();
      if (data === '[DONE]') return;
      yield JSON.parse(data) as Chunk;
    }
  }
}
