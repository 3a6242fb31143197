import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type FormatId, identifyFormat } from '../src/index.ts';
import { buildGguf, buildSafetensors } from '../src/testing/index.ts';

const NOTHING = new Uint8Array();
const latin = (text: string): Buffer => Buffer.from(text, 'latin1');
const torch = Buffer.concat([latin('PK\x03\x04'), Buffer.alloc(22), latin('\x10\0\0\0'), latin('archive/data.pkl')]);
const tar = Buffer.alloc(512);
tar.write('ustar', 257);

const SAMPLES: [FormatId, string, Buffer][] = [
  ['gguf', 'a.gguf', buildGguf()],
  ['gguf-big-endian', 'a.gguf', buildGguf({ version: 0x03000000 })],
  ['ggml-legacy', 'a.bin', latin('tjgg\x03\0\0\0')],
  ['safetensors', 'a.safetensors', buildSafetensors()],
  ['onnx', 'a.onnx', latin('\x08\x07\x12\x07pytorch')],
  ['tf-saved-model', 'saved_model.pb', latin('\x08\x01\x12\x80\x04')],
  ['pickle', 'a.pkl', latin('\x80\x04\x95\x0b\0\0\0\0\0\0\0')],
  ['pickle', 'a.gguf', latin('\x80\x02}q\x00.')],
  ['pickle', 'a.pkl', latin("cos\nsystem\n(S'id'\ntR.")],
  ['pickle', 'a.pkl', latin("(dp0\nS'a'\np1\nI1\ns.")],
  ['torch-zip', 'a.pt', torch],
  ['zip', 'a.zip', Buffer.concat([latin('PK\x03\x04'), Buffer.alloc(30)])],
  ['numpy', 'a.npy', latin('\x93NUMPY\x01\0')],
  ['7z', 'a.bin', Buffer.from('377abcaf271c0004', 'hex')],
  ['tar', 'a.nemo', tar],
  ['gzip', 'a.tgz', Buffer.from('1f8b0800', 'hex')],
  ['xz', 'a.xz', Buffer.from('fd377a585a00', 'hex')],
  ['bzip2', 'a.bz2', latin('BZh91AY')],
  ['zstd', 'a.zst', Buffer.from('28b52ffd04', 'hex')],
  ['rar', 'a.rar', latin('Rar!\x1a\x07\x01\0')],
  ['hdf5', 'a.h5', Buffer.from('894844460d0a1a0a', 'hex')],
  ['tflite', 'a.tflite', latin('\x1c\0\0\0TFL3')],
  ['elf', 'a.so', Buffer.from('7f454c460201', 'hex')],
  ['pe', 'a.exe', latin('MZ\x90\0')],
  ['mach-o', 'a', Buffer.from('cffaedfe07000001', 'hex')],
  ['java-class', 'a.class', Buffer.from('cafebabe00000034', 'hex')],
  ['wasm', 'a.wasm', latin('\0asm\x01\0\0\0')],
  ['script', 'a.sh', latin('#!/bin/sh\nid')],
  ['html', 'model.gguf', latin('\n<!DOCTYPE html><html>')],
  ['xml', 'model.gguf', latin('<?xml version="1.0"?><Error/>')],
  ['json', 'config.json', latin('{"error":"not found"}')],
  ['pdf', 'a.pdf', latin('%PDF-1.7')],
  ['image', 'a.png', Buffer.from('89504e470d0a1a0a', 'hex')],
  ['sqlite', 'a.db', latin('SQLite format 3\0')],
  ['text', 'model.gguf', latin('version https://git-lfs.github.com/spec/v1\noid sha256:00\n')],
  ['empty', 'a.gguf', Buffer.alloc(0)],
  ['unknown', 'a.gguf', Buffer.from('0102030405060708090a', 'hex')],
];

describe('identifyFormat', () => {
  it.each(SAMPLES)('knows %s in %s', (format, name, bytes) => {
    const found = identifyFormat(bytes.subarray(0, 4096), NOTHING, name);
    expect(found.format).toBe(format);
    expect(found.accepted).toBe(format === 'gguf' || format === 'safetensors');
    expect(found.description.length).toBeGreaterThan(10);
  });

  it('explains why a pickle is refused', () => {
    expect(identifyFormat(latin('\x80\x04.'), NOTHING, 'a.gguf').description).toBe(
      'A Python pickle. Pickle files run code when they are loaded, so they are never accepted, scanned or not. Look for the model as GGUF or safetensors. Its name ends in .gguf, which does not fit.',
    );
  });

  it('never throws, whatever the bytes and the name', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 600 }),
        fc.uint8Array({ maxLength: 100 }),
        fc.string(),
        (head, tail, name) => {
          expect(identifyFormat(head, tail, name).description).not.toBe('');
        },
      ),
    );
  });
});
