import { type SandboxExit, spawnSandboxed } from '@secai/sandbox';
import { ownProgram } from './program.ts';
import { type ScanReport, scannerLine } from './scan-report.ts';

/** Anonymous memory of the scanner's process tree: about 60 MB for Node, 60 MB for the scan, the rest for large headers. */
const MEMORY_BYTES = 250 * 1024 * 1024;
const HEAP_MB = 160;
const BASE_MS = 30_000;
/** Far below what any disk gives, so that only a scan that hangs meets it. */
const SLOWEST_BYTES_PER_MS = 10_000;
const MAX_LINE = 4 * 1024 * 1024;

export interface ScanRequest {
  path: string;
  /** What the person called the file. */
  fileName: string;
  size: number;
  signal: AbortSignal;
  onProgress: (fraction: number) => void;
}

/** The report, or one sentence saying why there is none. */
export type ScanOutcome = { report: ScanReport } | { failure: string };

/**
 * Scans a file in a process of its own: no network, a read-only view of this one file, capped memory and time, killed
 * with its children. A scanner that crashes or overruns gives a failure. Throws the signal's reason, and an error where no
 * sandbox can be made.
 */
export async function scanInSandbox(request: ScanRequest): Promise<ScanOutcome> {
  const program = ownProgram('scanner');
  const scanner = await spawnSandboxed({
    command: process.execPath,
    args: [`--max-old-space-size=${HEAP_MB}`, ...program.args, request.path, request.fileName],
    readOnly: [...program.readOnly, request.path],
    readWrite: [],
    network: false,
    memoryBytes: MEMORY_BYTES,
    wallMs: Math.ceil(BASE_MS + request.size / SLOWEST_BYTES_PER_MS),
    stdio: { stdout: 'pipe', stderr: 'ignore' },
    signal: request.signal,
  });
  const said = await listen(scanner.child.stdout!.setEncoding('utf8'), request.onProgress, () => scanner.kill());
  const exit = await scanner.exited;
  request.signal.throwIfAborted();
  if (exit.cause === 'setup' || exit.cause === 'watch') throw new Error(exit.message); // this machine's fault, not the file's
  const whole = exit.cause === null && exit.code === 0;
  return said && ('failure' in said || whole) ? said : { failure: describe(exit) };
}

/** Reads the scanner's lines up to its last word; null when it has none. Ends a scanner that talks nonsense. */
async function listen(
  output: AsyncIterable<string | Buffer>,
  onProgress: (fraction: number) => void,
  end: () => void,
): Promise<ScanOutcome | null> {
  let last: ScanOutcome | null = null;
  let rest = '';
  for await (const chunk of output) {
    const lines = (rest + chunk.toString()).split('\n');
    rest = lines.pop()!;
    for (const line of rest.length > MAX_LINE ? [''] : lines) {
      const parsed = scannerLine.safeParse(parse(line));
      if (!parsed.success) {
        end();
        return { failure: 'the scanner gave an answer that makes no sense' };
      }
      if ('progress' in parsed.data) onProgress(parsed.data.progress);
      else last = parsed.data;
    }
  }
  return last;
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

function describe(exit: SandboxExit): string {
  return `the scanner did not finish: ${exit.message.charAt(0).toLowerCase()}${exit.message.slice(1)}`;
}
