import { readdirSync } from 'node:fs';
import { Agent, type ClientRequest, request } from 'node:http';
import { join } from 'node:path';
import { createClient, ui } from '@secai/contracts';
import { submitModel } from '@secai/launcher';
import { eventually } from '../support/eventually.ts';
import { type Stack, starterModelFile, startStack } from '../support/stack.ts';
import { median, quantile, type Row } from './row.ts';

const ROUNDS = 40;
const TOKENS = 64;
const model = 'bench-model';

interface Timing {
  firstTokenMs: number;
  tokensPerSecond: number;
}

/** The same chat through the page's API and straight into the engine's socket, turn about, in one run. */
export async function chatBench(): Promise<Row[]> {
  const stack = await startStack();
  const agent = new Agent({ keepAlive: true });
  try {
    await submitModel(stack.launcher.home, stack.portOffset, starterModelFile, model, AbortSignal.timeout(60_000));
    const operator = createClient(ui, { baseUrl: stack.url('ui'), token: await stack.token('ui'), deadlineMs: 10_000 });
    const key = (await operator.operatorCreateKey({ body: { name: 'bench' } })).secret;
    const page = (): ClientRequest =>
      request(`${stack.url('ui')}/v1/chat/completions`, {
        method: 'POST',
        agent,
        headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      });
    await eventually('the model answers', async () => (await timed(page)).tokensPerSecond > 0, 120_000);
    const socketPath = engineSocket(stack);
    const direct = (): ClientRequest =>
      request({
        socketPath,
        path: '/v1/chat/completions',
        method: 'POST',
        agent,
        headers: { 'content-type': 'application/json' },
      });
    const through: Timing[] = [];
    const straight: Timing[] = [];
    for (let i = 0; i < ROUNDS; i++) {
      straight.push(await timed(direct));
      through.push(await timed(page));
    }
    const added = through.map(({ firstTokenMs }, i) => firstTokenMs - straight[i]!.firstTokenMs);
    const speed =
      median(through.map((one) => one.tokensPerSecond)) / median(straight.map((one) => one.tokensPerSecond));
    const how = `npm run bench -- chat (${ROUNDS} pairs, SmolLM2-135M)`;
    return [
      {
        what: 'added time to first token, p50',
        measured: `${quantile(added, 0.5).toFixed(1)} ms`,
        wanted: '≤ 3 ms',
        how,
      },
      {
        what: 'added time to first token, p99',
        measured: `${quantile(added, 0.99).toFixed(1)} ms`,
        wanted: '≤ 15 ms',
        how,
      },
      {
        what: 'tokens per second against direct',
        measured: `${speed.toFixed(3)} (${median(straight.map((one) => one.tokensPerSecond)).toFixed(0)} tok/s direct)`,
        wanted: '≥ 0.98',
        how,
      },
    ];
  } finally {
    agent.destroy();
    await stack.stop();
  }
}

function engineSocket(stack: Stack): string {
  const dir = stack.launcher.home.stateOf('inference-worker');
  const socket = readdirSync(dir, { recursive: true, encoding: 'utf8' }).find((name) => name.endsWith('.sock'));
  if (!socket) throw new Error(`no engine socket below ${dir}`);
  return join(dir, socket);
}

function timed(open: () => ClientRequest): Promise<Timing> {
  return new Promise((resolve, reject) => {
    const started = performance.now();
    const req = open();
    req.once('error', reject).once('response', async (res) => {
      let first = 0;
      let tokens = 0;
      let rest = '';
      try {
        for await (const chunk of res.setEncoding('utf8')) {
          const lines = (rest + (chunk as string)).split('\n');
          rest = lines.pop() ?? '';
          for (const line of lines) {
            if (!line.startsWith('data: {')) continue;
            const event = JSON.parse(line.slice(6)) as {
              choices?: { delta?: { content?: string } }[];
              usage?: { completion_tokens: number };
            };
            if (first === 0 && event.choices?.[0]?.delta?.content) first = performance.now();
            tokens = event.usage?.completion_tokens ?? tokens;
          }
        }
        const ended = performance.now();
        if (first === 0) throw new Error(`no token came (status ${res.statusCode})`);
        resolve({ firstTokenMs: first - started, tokensPerSecond: tokens / ((ended - first) / 1000) });
      } catch (error) {
        reject(error);
      }
    });
    req.end(
      JSON.stringify({
        model,
        messages: [{ role: 'user', content: 'Tell me about the sea.' }],
        temperature: 0,
        max_tokens: TOKENS,
        stream: true,
        stream_options: { include_usage: true },
      }),
    );
  });
}
