import type { ScanLimits } from './types.ts';

/** Far above every published model, far below what hurts: a scan holds about 60 MB beside the Node process. */
export const DEFAULT_LIMITS: Readonly<ScanLimits> = {
  chunkBytes: 2 * 1024 * 1024,
  maxGgufHeaderBytes: 256 * 1024 * 1024,
  maxMetadataEntries: 10_000,
  maxTensors: 100_000,
  maxTokens: 4 * 1024 * 1024,
  maxSafetensorsHeaderBytes: 16 * 1024 * 1024,
  maxTemplateBytes: 256 * 1024,
  maxFindingsPerRule: 8,
};
