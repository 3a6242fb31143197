import {
  type ChatWrapper,
  getLlama,
  JinjaTemplateChatWrapper,
  type Llama,
  type LlamaContext,
  type LlamaContextSequence,
  LlamaLogLevel,
  type LlamaModel,
  resolveChatWrapper,
} from 'node-llama-cpp';
import { SlotPool } from '../slots.ts';
import { DEFAULT_CONTEXT, type HostConfig } from './config.ts';

/** A model in memory with its sequences; slot `i` of the pool owns sequence `i`. */
export interface LoadedModel {
  readonly llama: Llama;
  readonly model: LlamaModel;
  readonly context: LlamaContext;
  readonly sequences: readonly LlamaContextSequence[];
  readonly slots: SlotPool;
  readonly wrapper: ChatWrapper;
  /** Tokens per sequence. */
  readonly contextSize: number;
  readonly threads: number;
  /** How long a piece of a prompt is read without looking for a cancel; follows the measured speed. */
  readonly pace: { tokens: number };
  readonly chatTemplate: string | null;
  readonly version: string;
}

const FIRST_PIECE = 64;

/** Loads the model on the processor alone. Rejects with node-llama-cpp's error when the file is no usable model. */
export async function loadModel(config: HostConfig): Promise<LoadedModel> {
  const llama = await getLlama({
    build: 'never',
    gpu: false,
    logLevel: LlamaLogLevel.error,
    progressLogs: false,
    skipDownload: true,
    maxThreads: config.threads,
  });
  const model = await llama.loadModel({ modelPath: config.modelPath, gpuLayers: 0 });
  const context = await model.createContext({
    contextSize: config.contextSize ?? Math.min(model.trainContextSize, DEFAULT_CONTEXT),
    sequences: config.parallel,
    // Set in any case: the library's own choice can exceed the cores, and threads that wait for each other at every
    // barrier then make it slower by orders of magnitude.
    threads: { ideal: config.threads, min: config.threads },
    failedCreationRemedy: false,
  });
  const template = model.fileInfo.metadata.tokenizer?.chat_template;
  const chatTemplate = typeof template === 'string' && template !== '' ? template : null;
  return {
    llama,
    model,
    context,
    sequences: Array.from({ length: config.parallel }, () => context.getSequence()),
    slots: new SlotPool(config.parallel, config.maxQueue),
    wrapper: chooseWrapper(model, chatTemplate),
    contextSize: context.contextSize,
    threads: config.threads,
    pace: { tokens: FIRST_PIECE },
    chatTemplate,
    version: `llama.cpp ${llama.llamaCppRelease.release}`,
  };
}

/** The model's own template, rendered as it is written; only one that cannot be rendered is guessed at. */
function chooseWrapper(model: LlamaModel, template: string | null): ChatWrapper {
  if (template !== null) {
    try {
      return new JinjaTemplateChatWrapper({ template, tokenizer: model.tokenizer });
    } catch {
      // Falls through to the library's list of known formats.
    }
  }
  return resolveChatWrapper(model, { warningLogs: false });
}
