export {
  buildGguf,
  DEFAULT_METADATA,
  DEFAULT_TENSORS,
  type GgufSpec,
  type GgufTensorSpec,
  type GgufValue,
  ordinaryData,
} from './gguf.ts';
export { type MalformedFile, malformedGguf, malformedSafetensors } from './malformed.ts';
export { smolModelPath } from './models.ts';
export { buildSafetensors, type SafetensorsSpec } from './safetensors.ts';
export { HOSTILE_TEMPLATES, ORDINARY_TEMPLATES } from './templates.ts';
