/** What the engine process is told on its command line, as one JSON argument. */
export interface HostConfig {
  readonly modelPath: string;
  readonly socketPath: string;
  /** Tokens per sequence; null: what the model was trained for, at most DEFAULT_CONTEXT. */
  readonly contextSize: number | null;
  readonly threads: number;
  readonly parallel: number;
  readonly maxQueue: number;
}

/** The first line that the engine process writes to stdout. */
export type HostReady =
  | { readonly ready: true; readonly version: string; readonly contextSize: number }
  | { readonly ready: false; readonly message: string };

export const DEFAULT_CONTEXT = 4096;
