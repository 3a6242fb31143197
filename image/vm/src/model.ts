import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { buildGguf, type GgufTensorSpec } from '@secai/model-formats/testing';
import { cacheFolder } from '../../../containers/src/paths.ts';

const width = 64;
const layers = 2;
const feedForward = 128;
const special = ['<unk>', '<s>', '</s>'];
const bytes = Array.from({ length: 256 }, (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`);
const pieces = ['▁', ...'abcdefghijklmnopqrstuvwxyz'];
const tokens = [...special, ...bytes, ...pieces];

/**
 * Writes a complete llama with two layers, 64 dimensions and made-up weights, and returns its path. It loads, computes and answers on an
 * emulated processor within seconds, where the starter model would need many minutes; what it writes makes no sense.
 */
export function tinyModel(): string {
  const file = join(cacheFolder, 'vm/tiny.gguf');
  mkdirSync(dirname(file), { recursive: true });
  const kinds = [2, 3, 3, ...bytes.map(() => 6), ...pieces.map(() => 1)];
  writeFileSync(
    file,
    buildGguf({
      metadata: {
        'general.name': 'Tiny model of the acceptance run',
        'llama.block_count': { type: 'u32', value: layers },
        'llama.context_length': { type: 'u32', value: 1024 },
        'llama.embedding_length': { type: 'u32', value: width },
        'llama.feed_forward_length': { type: 'u32', value: feedForward },
        'llama.rope.dimension_count': { type: 'u32', value: width / 4 },
        'tokenizer.ggml.tokens': tokens,
        'tokenizer.ggml.scores': { type: 'array', element: 'f32', values: tokens.map((_, index) => -index) },
        'tokenizer.ggml.token_type': { type: 'array', element: 'i32', values: kinds },
        'tokenizer.chat_template':
          "{% for message in messages %}{{ message['role'] + ': ' + message['content'] + '\\n' }}{% endfor %}{% if add_generation_prompt %}assistant: {% endif %}",
      },
      tensors: [
        { name: 'token_embd.weight', shape: [width, tokens.length] },
        ...Array.from({ length: layers }, (_, layer) => layerTensors(layer)).flat(),
        { name: 'output_norm.weight', shape: [width] },
        { name: 'output.weight', shape: [width, tokens.length] },
      ],
    }),
  );
  return file;
}

function layerTensors(layer: number): GgufTensorSpec[] {
  const shapes: [string, number[]][] = [
    ['attn_norm', [width]],
    ['attn_q', [width, width]],
    ['attn_k', [width, width]],
    ['attn_v', [width, width]],
    ['attn_output', [width, width]],
    ['ffn_norm', [width]],
    ['ffn_gate', [width, feedForward]],
    ['ffn_up', [width, feedForward]],
    ['ffn_down', [feedForward, width]],
  ];
  return shapes.map(([name, shape]) => ({ name: `blk.${layer}.${name}.weight`, shape }));
}
