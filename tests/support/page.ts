/** The page's API as the browser uses it: one cookie session. */
export interface PageSession {
  /** Calls `/api/…`; throws with the problem's detail when the answer is no success. */
  call<T>(method: string, path: string, body?: unknown): Promise<T>;
  /** The raw answer, for streams and expected refusals. */
  fetch(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<Response>;
}

/** Logs in on the page at `origin`. */
export async function logIn(origin: string, passphrase: string): Promise<PageSession> {
  const login = await fetch(`${origin}/api/login`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', origin },
    body: JSON.stringify({ passphrase }),
  });
  if (!login.ok) throw new Error(`login: ${login.status} ${await login.text()}`);
  const cookie = login.headers.get('set-cookie')!.split(';')[0]!;
  const csrf = ((await login.json()) as { csrf_token: string }).csrf_token;
  const send = (method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<Response> =>
    fetch(`${origin}${path}`, {
      method,
      headers: {
        cookie,
        origin,
        'x-secai-csrf': csrf,
        ...(body !== undefined && !(body instanceof FormData) && { 'content-type': 'application/json' }),
      },
      body: body === undefined ? undefined : body instanceof FormData ? body : JSON.stringify(body),
      signal,
    });
  return {
    fetch: send,
    async call<T>(method: string, path: string, body?: unknown): Promise<T> {
      const response = await send(method, path, body, AbortSignal.timeout(20_000));
      const text = await response.text();
      if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text.slice(0, 300)}`);
      return JSON.parse(text) as T;
    },
  };
}
