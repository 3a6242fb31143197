/** Time to first token and tokens per second: node-llama-cpp in this process against the engine over its socket. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { JinjaTemplateChatWrapper, LlamaChat } from 'node-llama-cpp';
import { loadModel } from './src/host/model.ts';
import { spawnEngine } from './src/index.ts';

const [modelPath, runsText = '7'] = process.argv.slice(2);
if (modelPath === undefined) throw new Error('usage: node shared/engine/bench.ts MODEL.gguf [RUNS]');
const runs = Number(runsText);
const tokens = 64;
const threads = 1;
const prompts = { short: 'Tell me about the sea.', long: `Summarise: ${'the sea is wide and blue. '.repeat(80)}` };

interface Sample {
  readonly ttft: number;
  readonly rate: number;
}

const loaded = await loadModel({ modelPath, socketPath: '', contextSize: 1024, threads, parallel: 1, maxQueue: 1 });
const folder = mkdtempSync(join(tmpdir(), 'secai-bench-'));
const engine = await spawnEngine({
  modelPath,
  socketDir: folder,
  contextSize: 1024,
  threads,
  parallel: 1,
  llamaServer: null,
});
const wrapper = new JinjaTemplateChatWrapper({ template: loaded.chatTemplate!, tokenizer: loaded.model.tokenizer });

async function raw(prompt: string): Promise<Sample> {
  const sequence = loaded.sequences[0]!;
  await sequence.clearHistory();
  const chat = new LlamaChat({ contextSequence: sequence, chatWrapper: wrapper });
  const started = performance.now();
  let first = 0;
  let count = 0;
  await chat.generateResponse([{ type: 'user', text: prompt }], {
    temperature: 0,
    maxTokens: tokens,
    repeatPenalty: false,
    onToken: (list) => {
      if (count === 0) first = performance.now();
      count += list.length;
    },
  });
  chat.dispose();
  return { ttft: first - started, rate: (count - 1) / ((performance.now() - first) / 1000) };
}

async function served(prompt: string): Promise<Sample> {
  const started = performance.now();
  const body = { messages: [{ role: 'user', content: prompt }], temperature: 0, max_tokens: tokens, stream: true };
  const response = await engine.request('/v1/chat/completions', body);
  let first = 0;
  let count = 0;
  for await (const chunk of response.setEncoding('utf8') as AsyncIterable<string>) {
    const pieces = chunk.split('"content":').length - 1 - (chunk.includes('"role"') ? 1 : 0);
    if (count === 0 && pieces > 0) first = performance.now();
    count += pieces;
  }
  return { ttft: first - started, rate: (count - 1) / ((performance.now() - first) / 1000) };
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!;
}

for (const [name, prompt] of Object.entries(prompts)) {
  const samples = { raw: [] as Sample[], engine: [] as Sample[] };
  // Alternating, so that a slower minute of the machine hits both.
  for (let run = 0; run <= runs; run++) {
    const pair = { raw: await raw(prompt), engine: await served(prompt) };
    if (run === 0) continue;
    samples.raw.push(pair.raw);
    samples.engine.push(pair.engine);
  }
  const line = (list: readonly Sample[]) =>
    `time to first token ${median(list.map((one) => one.ttft)).toFixed(1)} ms, ${median(list.map((one) => one.rate)).toFixed(1)} tokens/s`;
  const added = median(samples.engine.map((sample, index) => sample.ttft - samples.raw[index]!.ttft));
  const ratio = median(samples.engine.map((sample, index) => sample.rate / samples.raw[index]!.rate));
  console.log(`${name} prompt, raw:    ${line(samples.raw)}`);
  console.log(`${name} prompt, engine: ${line(samples.engine)}`);
  console.log(`${name} prompt: added ${added.toFixed(1)} ms to the first token, ${ratio.toFixed(3)} of the raw rate`);
}
await engine.stop();
await loaded.llama.dispose();
rmSync(folder, { recursive: true, force: true });
