/**
 * - `bad_option`: the caller asked for something that cannot be (a relative path, no cap); a bug, never retried.
 * - `unavailable`: this machine cannot make a process without network; the message says what to install.
 */
export type SandboxErrorCode = 'bad_option' | 'unavailable';

/** Thrown before a process is started. What happens to a started one is told by `Sandboxed.exited`. */
export class SandboxError extends Error {
  override name = 'SandboxError';
  readonly code: SandboxErrorCode;
  constructor(code: SandboxErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
