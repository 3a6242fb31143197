/** What the worker adds: requests through it against the same requests to its engine's socket. */
import { readdirSync, readFileSync } from 'node:fs';
import { Agent, type IncomingMessage, request } from 'node:http';
import { join } from 'node:path';
import { ServiceProcess } from '../registry/test/support/process.ts';
import { promotedModels } from './test/support/promoted.ts';

const [modelPath, runsText = '60'] = process.argv.slice(2);
if (modelPath === undefined) throw new Error('usage: node services/inference-worker/bench.ts MODEL.gguf [RUNS]');
const runs = Number(runsText);
const bench = await promotedModels();
await bench.promote('model', readFileSync(modelPath));
const worker = await ServiceProcess.start('inference-worker', [bench.registry, bench.policyEngine], {
  SECAI_DIR_MODELS: bench.folder,
  SECAI_LLAMA_SERVER: 'none',
  SECAI_ENGINE_THREADS: '1',
});
await worker.client('ui', 60_000).load({ body: { model: 'model' } });
const sockets = join(worker.environment.dir, 'state', 'run');
const socketPath = join(sockets, readdirSync(sockets).find((name) => name.endsWith('.sock'))!);
const { port } = new URL(worker.url);
const body = JSON.stringify({
  model: 'model',
  messages: [{ role: 'user', content: 'Tell me about the sea.' }],
  temperature: 0,
  max_tokens: 24,
  stream: true,
});

const agents = { direct: new Agent({ keepAlive: true }), through: new Agent({ keepAlive: true }) };

/** Milliseconds to the first byte and to the last. */
async function once(target: object, session: 'direct' | 'through'): Promise<{ first: number; all: number }> {
  const headers = {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
    authorization: `Bearer ${worker.environment.tokenOf('ui')}`,
    'x-secai-session': session,
  };
  const started = performance.now();
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    request({ ...target, agent: agents[session], method: 'POST', path: '/v1/chat/completions', headers }, resolve)
      .on('error', reject)
      .end(body);
  });
  let first = 0;
  for await (const _chunk of response) first ||= performance.now() - started;
  return { first, all: performance.now() - started };
}

const added: number[] = [];
const ratios: number[] = [];
for (let run = 0; run < runs + 3; run++) {
  const direct = await once({ socketPath }, 'direct');
  const through = await once({ host: '127.0.0.1', port }, 'through');
  if (run < 3) continue;
  added.push(through.first - direct.first);
  ratios.push((direct.all - direct.first) / (through.all - through.first));
}
const quantile = (values: number[], at: number) => values.sort((a, b) => a - b)[Math.floor((values.length - 1) * at)]!;
console.log(
  `added to the first byte: p50 ${quantile(added, 0.5).toFixed(2)} ms, p90 ${quantile(added, 0.9).toFixed(2)} ms`,
);
console.log(`tokens per second: ${quantile(ratios, 0.5).toFixed(3)} of the engine's own`);
for (const agent of Object.values(agents)) agent.destroy();
await worker.remove();
await bench.remove();
