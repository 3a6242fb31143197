import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stageNames } from '@secai/contracts';
import type { PromotionRequest } from '../../src/promotion.ts';
import { ServiceProcess } from './process.ts';

export function digestOf(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

/** Models and quarantine folders, policy engine and registry, all real. */
export class RegistryBench {
  readonly dir: string;
  readonly models: string;
  readonly quarantine: string;
  readonly engine: ServiceProcess<'policy-engine'>;
  readonly registry: ServiceProcess<'registry'>;

  private constructor(dir: string, engine: ServiceProcess<'policy-engine'>, registry: ServiceProcess<'registry'>) {
    this.dir = dir;
    this.models = join(dir, 'models');
    this.quarantine = join(dir, 'quarantine');
    this.engine = engine;
    this.registry = registry;
  }

  static async start(): Promise<RegistryBench> {
    const dir = await mkdtemp(join(tmpdir(), 'secai-registry-bench-'));
    await mkdir(join(dir, 'quarantine/files'), { recursive: true });
    const engine = await ServiceProcess.start('policy-engine');
    const registry = await ServiceProcess.start('registry', [engine], {
      SECAI_DIR_MODELS: join(dir, 'models'),
      SECAI_DIR_QUARANTINE: join(dir, 'quarantine'),
    });
    return new RegistryBench(dir, engine, registry);
  }

  async policyDigest(): Promise<string> {
    const { domains } = await this.engine.client('quarantine').listPolicies();
    return domains.find(({ domain }) => domain === 'model_promotion')!.digest;
  }

  /** A scanned file of `bytes` in the quarantine folder and the request that promotes it. */
  async scanned(name: string, bytes: Uint8Array = randomBytes(200_000), change: Partial<PromotionRequest> = {}) {
    const file = `files/${randomUUID()}`;
    await writeFile(join(this.quarantine, file), bytes);
    const request: PromotionRequest = {
      name,
      job_id: randomUUID(),
      file,
      sha256: digestOf(bytes),
      size: bytes.length,
      facts: { format: 'gguf', architecture: 'llama' },
      signature: 'missing',
      origin: 'local',
      stages: stageNames.map((stage) => ({ name: stage, verdict: stage === 'diffusion' ? 'skip' : 'pass' })),
      policy_digest: await this.policyDigest(),
      ...change,
    };
    return request;
  }

  promote(request: PromotionRequest) {
    return this.registry.client('quarantine', 30_000).promote({ body: request });
  }

  async stop(): Promise<void> {
    await this.registry.remove();
    await this.engine.remove();
    await rm(this.dir, { recursive: true, force: true });
  }
}
