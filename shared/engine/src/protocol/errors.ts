/** What OpenAI clients read from an error answer. */
export interface ErrorBody {
  readonly error: {
    readonly message: string;
    readonly type: 'invalid_request_error' | 'server_error';
    readonly code: string;
    readonly param: string | null;
  };
}

/** A request that is not run. `status` is the HTTP status, `param` the field at fault, in OpenAI's notation. */
export class RequestError extends Error {
  override name = 'RequestError';
  readonly status: number;
  readonly code: string;
  readonly param: string | null;
  constructor(status: number, code: string, message: string, param: string | null = null) {
    super(message);
    this.status = status;
    this.code = code;
    this.param = param;
  }

  /** The answer's body in OpenAI's shape. */
  toBody(): ErrorBody {
    const type = this.status >= 500 ? 'server_error' : 'invalid_request_error';
    return { error: { message: this.message, type, code: this.code, param: this.param } };
  }
}

/** The commonest refusal: a field with a wrong value. */
export function invalid(param: string, message: string, code = 'invalid_value'): RequestError {
  return new RequestError(400, code, message, param);
}
