/** Test support: a real registry with models in it. */
import { createHash, randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Model, stageNames } from '@secai/contracts';
import { ServiceProcess } from '../../../registry/test/support/process.ts';

export interface PromotedModels {
  /** The models folder. */
  readonly folder: string;
  readonly registry: ServiceProcess<'registry'>;
  readonly policyEngine: ServiceProcess<'policy-engine'>;
  /** Puts `bytes` into the registry as quarantine does after a clean scan. */
  promote(name: string, bytes: Uint8Array): Promise<Model>;
  remove(): Promise<void>;
}

export async function promotedModels(): Promise<PromotedModels> {
  const dir = await mkdtemp(join(tmpdir(), 'secai-promoted-'));
  const [folder, quarantine] = [join(dir, 'models'), join(dir, 'quarantine')];
  await mkdir(join(quarantine, 'files'), { recursive: true });
  await mkdir(folder);
  const policyEngine = await ServiceProcess.start('policy-engine');
  const folders = { SECAI_DIR_MODELS: folder, SECAI_DIR_QUARANTINE: quarantine };
  const registry = await ServiceProcess.start('registry', [policyEngine], folders);
  return {
    folder,
    registry,
    policyEngine,
    async promote(name, bytes) {
      const file = `files/${randomUUID()}`;
      await writeFile(join(quarantine, file), bytes);
      const { domains } = await policyEngine.client('quarantine').listPolicies();
      return registry.client('quarantine', 30_000).promote({
        body: {
          name,
          job_id: randomUUID(),
          file,
          sha256: `sha256:${createHash('sha256').update(bytes).digest('hex')}`,
          size: bytes.length,
          facts: { format: 'gguf', architecture: 'llama', context_length: 1024 },
          signature: 'missing',
          origin: 'local',
          stages: stageNames.map((stage) => ({ name: stage, verdict: stage === 'diffusion' ? 'skip' : 'pass' })),
          policy_digest: domains.find(({ domain }) => domain === 'model_promotion')!.digest,
        },
      });
    },
    async remove() {
      await registry.remove();
      await policyEngine.remove();
      await rm(dir, { recursive: true, force: true });
    },
  };
}
