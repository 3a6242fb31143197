import { join } from 'node:path';
import { contracts } from '@secai/contracts';
import { type EngineOptions, spawnEngine } from '@secai/engine';
import { defineService } from '@secai/kit';
import * as z from 'zod';
import { answer } from './answer.ts';
import { Loader } from './loader.ts';
import { Models } from './models.ts';

const whole = (max: number) => z.coerce.number().int().min(1).max(max);

const env = z.object({
  SECAI_DIR_MODELS: z.string().startsWith('/', 'an absolute path'),
  /** Path of llama-server, or `none`; without it the one on the system's PATH is used, if there is one. */
  SECAI_LLAMA_SERVER: z.union([z.literal('none'), z.string().startsWith('/')]).optional(),
  SECAI_ENGINE_CONTEXT: whole(1 << 22).default(4096),
  SECAI_ENGINE_SLOTS: whole(64).default(2),
  SECAI_ENGINE_THREADS: whole(512).optional(),
  SECAI_ENGINE_MEMORY_MB: whole(1 << 22).optional(),
});

/** The service that runs promoted models: port 8465, OpenAI's protocol. */
export const inferenceWorkerService = defineService({
  contract: contracts['inference-worker'],
  env,
  async create({ config, logger, audit, peers, stopping }) {
    const models = new Models(peers.registry, config.SECAI_DIR_MODELS);
    const llamaServer = config.SECAI_LLAMA_SERVER === 'none' ? null : config.SECAI_LLAMA_SERVER;
    const fixed: Omit<EngineOptions, 'modelPath' | 'contextSize'> = {
      socketDir: join(config.SECAI_STATE_DIR, 'run'),
      parallel: config.SECAI_ENGINE_SLOTS,
      ...(llamaServer === undefined ? {} : { llamaServer }),
      ...(config.SECAI_ENGINE_THREADS === undefined ? {} : { threads: config.SECAI_ENGINE_THREADS }),
      ...(config.SECAI_ENGINE_MEMORY_MB === undefined
        ? {}
        : { sandbox: { memoryBytes: config.SECAI_ENGINE_MEMORY_MB * 2 ** 20 } }),
    };
    const loader = new Loader({
      models,
      logger,
      record: (event) => audit.append(event),
      spawn: (modelPath, trained) => {
        const contextSize = Math.min(config.SECAI_ENGINE_CONTEXT, trained ?? Number.POSITIVE_INFINITY);
        return spawnEngine({ ...fixed, modelPath, contextSize, signal: stopping });
      },
    });
    await loader.prepare(fixed.socketDir);
    return {
      handlers: {
        chat: (context) => answer(loader, '/v1/chat/completions', context),
        complete: (context) => answer(loader, '/v1/completions', context),
        embed: (context) => answer(loader, '/v1/embeddings', context),
        models: async ({ signal }) => ({ object: 'list' as const, data: await models.list(signal) }),
        load: async ({ body, signal }) => {
          (await loader.enter(body.model, signal)).leave();
          return loader.status();
        },
        unload: async () => {
          await loader.unload();
          return loader.status();
        },
        status: () => loader.status(),
      },
      stop: () => loader.stop(),
    };
  },
});
