import { registry as contract } from '@secai/contracts';
import { ensureDir } from '@secai/files';
import { defineService } from '@secai/kit';
import * as z from 'zod';
import { Promoter } from './promotion.ts';
import { publicModel, Registry } from './registry.ts';
import { Verifications } from './verifications.ts';

const folder = z.string().startsWith('/', 'an absolute path');

/** The registry: keeps promoted models read-only, pinned and signed. */
export const registryService = defineService({
  contract,
  env: z.object({ SECAI_DIR_MODELS: folder, SECAI_DIR_QUARANTINE: folder }),
  async create({ config, logger, clock, audit, policy, stopping }) {
    const { SECAI_DIR_MODELS: modelsDir, SECAI_DIR_QUARANTINE: quarantineDir, SECAI_STATE_DIR: stateDir } = config;
    await ensureDir(modelsDir, 0o755);
    const registry = await Registry.open({
      modelsDir,
      stateDir,
      auditDir: config.SECAI_AUDIT_DIR,
      audit,
      clock,
      logger,
    });
    const promoter = new Promoter({ registry, quarantineDir, policy, audit, clock, stopping });
    const verifications = new Verifications(registry, stopping);
    return {
      handlers: {
        list: () => registry.list(),
        get: ({ params }) => registry.get(params.name),
        promote: async ({ body, caller }) => publicModel(await promoter.promote(body, caller.name)),
        verify: async ({ params }) => ({ job_id: await verifications.start(params.name) }),
        verification: ({ params }) => verifications.get(params.id),
        remove: async ({ params, caller }) => {
          await registry.remove(params.name, caller.name);
          return { removed: params.name };
        },
        quarantine: ({ params, body, caller }) => registry.quarantine(params.name, body.reason, caller.name),
        release: ({ params, caller }) => registry.release(params.name, caller.name),
      },
      readiness: {
        manifest: async () => {
          await registry.manifest();
        },
      },
      async stop() {
        await Promise.all([promoter.idle(), verifications.idle()]);
        await registry.idle();
      },
    };
  },
});
