import { spawnSync } from 'node:child_process';

export type BuildErrorCode =
  | 'command_failed'
  | 'command_missing'
  | 'packages_missing'
  | 'manifest_differs'
  | 'too_large';

/** A build that cannot go on; `message` names the step, what was wrong and what to do. */
export class BuildError extends Error {
  override readonly name = 'BuildError';
  readonly code: BuildErrorCode;
  constructor(code: BuildErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}

export interface RunOptions {
  cwd?: string;
  env?: Record<string, string>;
  input?: string | Buffer;
  /** Milliseconds; the command is killed after it. */
  timeoutMs?: number;
}

/** Runs a program of the build machine to its end and returns what it printed. Throws BuildError with the tail of its output. */
export function run(program: string, args: readonly string[], options: RunOptions = {}): string {
  return runForBytes(program, args, options).toString();
}

/** As `run`, for programs that print bytes rather than text. */
export function runForBytes(program: string, args: readonly string[], options: RunOptions = {}): Buffer {
  const result = spawnSync(program, args, {
    cwd: options.cwd,
    env: { ...process.env, ...options.env },
    input: options.input,
    timeout: options.timeoutMs,
    maxBuffer: 256 * 1024 * 1024,
  });
  if (result.error && (result.error as NodeJS.ErrnoException).code === 'ENOENT') {
    throw new BuildError('command_missing', `${program} is not installed; run \`node containers/system-packages.ts\``);
  }
  if (result.status !== 0) {
    const tail = `${result.stdout ?? ''}${result.stderr ?? ''}`.trim().split('\n').slice(-15).join('\n');
    const how = result.signal ? `was stopped by ${result.signal}` : `ended with code ${result.status}`;
    throw new BuildError('command_failed', `${program} ${args.slice(0, 4).join(' ')} … ${how}:\n${tail}`);
  }
  return result.stdout;
}
