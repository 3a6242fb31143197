export const EXIT = { ok: 0, failed: 1, usage: 2, notRunning: 3 } as const;

/** Ends the command with a message for the user. */
export class CliError extends Error {
  override name = 'CliError';
  readonly exitCode: number;
  constructor(exitCode: number, message: string) {
    super(message);
    this.exitCode = exitCode;
  }
}
