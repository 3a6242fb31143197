/**
 * - `bad_option`: a call that cannot work (a socket path that is too long, a number out of range).
 * - `model_rejected`: the engine does not accept the file as a model; the message carries its reason.
 * - `start_failed`: the engine ended or did not answer before it was ready.
 * - `sandbox_unavailable`: no process without network can be made here; the message says what to install.
 * - `gone`: the engine is not running any more.
 */
export type EngineErrorCode = 'bad_option' | 'model_rejected' | 'start_failed' | 'sandbox_unavailable' | 'gone';

export class EngineError extends Error {
  override name = 'EngineError';
  readonly code: EngineErrorCode;
  constructor(code: EngineErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
