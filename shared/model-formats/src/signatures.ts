/** A program or archive header found inside a file. */
export interface SignatureHit {
  kind: 'ELF program' | 'Windows program' | 'ZIP archive' | 'Mach-O program';
  offset: number;
}

const LOOK_AROUND = 512;
const MAX_HITS = 64;

const PATTERNS: { needle: Buffer; confirm: (bytes: Buffer, at: number) => SignatureHit['kind'] | null }[] = [
  { needle: Buffer.from('\x7fELF', 'latin1'), confirm: elf },
  { needle: Buffer.from('This program cannot be run in DOS mode', 'latin1'), confirm: dosStub },
  { needle: Buffer.from('PK\x03\x04', 'latin1'), confirm: zipEntry },
  { needle: Buffer.from('cffaedfe', 'hex'), confirm: machO },
  { needle: Buffer.from('cefaedfe', 'hex'), confirm: machO },
];

/**
 * Looks for embedded programs and archives in a stream of chunks, wherever they start, also across a chunk boundary.
 * Four magic bytes turn up by chance once in 4 GB of weights, so each hit is confirmed by the fields that follow it.
 */
export class SignatureScanner {
  readonly hits: SignatureHit[] = [];
  readonly #seen = new Set<number>();
  /** The last bytes of what came before. */
  #tail: Buffer = Buffer.alloc(0);

  update(chunk: Buffer, offset: number): void {
    if (this.#tail.length > 0) {
      const seam = Buffer.concat([this.#tail, chunk.subarray(0, LOOK_AROUND)]);
      this.#search(seam, offset - this.#tail.length);
    }
    this.#search(chunk, offset);
    const recent = Buffer.concat([this.#tail, chunk.subarray(-LOOK_AROUND)]);
    this.#tail = recent.subarray(-LOOK_AROUND);
  }

  #search(bytes: Buffer, offset: number): void {
    for (const { needle, confirm } of PATTERNS) {
      for (let at = bytes.indexOf(needle); at !== -1; at = bytes.indexOf(needle, at + 1)) {
        if (this.hits.length >= MAX_HITS) return;
        const kind = confirm(bytes, at);
        if (kind === null || this.#seen.has(offset + at)) continue;
        this.#seen.add(offset + at);
        this.hits.push({ kind, offset: offset + at });
      }
    }
  }
}

/** e_ident class, data and version, then a plausible e_type and e_version (System V ABI, ELF header). */
function elf(bytes: Buffer, at: number): SignatureHit['kind'] | null {
  if (at + 24 > bytes.length) return null;
  const [klass, data, version] = [bytes[at + 4]!, bytes[at + 5]!, bytes[at + 6]!];
  if (klass < 1 || klass > 2 || data < 1 || data > 2 || version !== 1) return null;
  const type = data === 1 ? bytes.readUInt16LE(at + 16) : bytes.readUInt16BE(at + 16);
  return type >= 1 && type <= 4 ? 'ELF program' : null;
}

/** The stub's sentence with an MZ header in front of it. */
function dosStub(bytes: Buffer, at: number): SignatureHit['kind'] | null {
  const mz = bytes.subarray(Math.max(0, at - 256), at).lastIndexOf('MZ', undefined, 'latin1');
  return mz === -1 ? null : 'Windows program';
}

/** A local file header (APPNOTE 4.3.7): version, method and a name of printable characters. */
function zipEntry(bytes: Buffer, at: number): SignatureHit['kind'] | null {
  if (at + 31 > bytes.length) return null;
  const version = bytes.readUInt16LE(at + 4) & 0xff;
  const method = bytes.readUInt16LE(at + 8);
  const nameLength = bytes.readUInt16LE(at + 26);
  if (version < 10 || version > 63 || ![0, 8, 9, 12, 14, 93, 95, 98, 99].includes(method)) return null;
  if (nameLength === 0 || nameLength > 4096) return null;
  const name = bytes.subarray(at + 30, Math.min(bytes.length, at + 30 + Math.min(nameLength, 16)));
  return name.every((byte) => byte >= 0x20 && byte !== 0x7f) ? 'ZIP archive' : null;
}

/** cputype, filetype and number of load commands in range (mach-o/loader.h). */
function machO(bytes: Buffer, at: number): SignatureHit['kind'] | null {
  if (at + 20 > bytes.length) return null;
  const cpu = bytes.readUInt32LE(at + 4) & 0x00ffffff;
  const fileType = bytes.readUInt32LE(at + 12);
  const commands = bytes.readUInt32LE(at + 16);
  return [7, 12, 18].includes(cpu) && fileType >= 1 && fileType <= 12 && commands > 0 && commands < 4096
    ? 'Mach-O program'
    : null;
}
