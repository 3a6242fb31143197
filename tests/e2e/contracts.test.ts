/** What every service of the topology owes its callers, generated from topology and contracts. */
import { readFile } from 'node:fs/promises';
import { request } from 'node:http';
import { join } from 'node:path';
import { type Contract, contracts, problemSchema, type Route } from '@secai/contracts';
import { edgesTo, type ServiceName } from '@secai/topology';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { verifies } from '../claims.ts';
import { type Stack, startStack } from '../support/stack.ts';

let stack: Stack;
let session: { cookie: string; csrf: string };
let apiKey: string;

beforeAll(async () => {
  stack = await startStack({ env: { SECAI_PASSPHRASE: 'a long enough passphrase' } });
  const login = await fetch(`${stack.url('ui')}/api/login`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', origin: stack.url('ui') },
    body: JSON.stringify({ passphrase: 'a long enough passphrase' }),
  });
  expect(login.status, await login.clone().text()).toBe(200);
  session = {
    cookie: login.headers.get('set-cookie')!.split(';')[0]!,
    csrf: ((await login.json()) as { csrf_token: string }).csrf_token,
  };
  const key = await call(
    'ui',
    'POST',
    '/v1/keys',
    { authorization: `Bearer ${await stack.token('ui')}`, 'content-type': 'application/json' },
    '{"name":"contract test"}',
  );
  apiKey = (JSON.parse(key.text) as { secret: string }).secret;
});
afterAll(() => stack?.stop());

interface Answer {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  text: string;
}

/** node:http and not fetch: headers like Origin must go out as given. */
function call(
  service: ServiceName,
  method: string,
  path: string,
  headers: Record<string, string>,
  body?: string | Buffer,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const req = request(
      `${stack.url(service)}${path}`,
      {
        method,
        headers: { ...headers, ...(body !== undefined && { 'content-length': String(Buffer.byteLength(body)) }) },
      },
      async (res) => {
        const chunks: Buffer[] = [];
        for await (const chunk of res) chunks.push(chunk as Buffer);
        resolve({ status: res.statusCode ?? 0, headers: res.headers, text: Buffer.concat(chunks).toString() });
      },
    );
    req.once('error', reject);
    req.end(body);
  });
}

function pathOf(route: Route): string {
  return route.path
    .replace(':id', '00000000-0000-4000-8000-000000000000')
    .replace(':message_id', '00000000-0000-4000-8000-000000000000')
    .replace(':name', 'no-such-model')
    .replace(':domain', 'egress');
}

async function edgeToken(from: string, to: string): Promise<string> {
  return (await readFile(join(stack.home, 'tokens', `${from}--${to}`), 'utf8')).trim();
}

/** Headers with which a route accepts the caller, so that only the thing under test is wrong. */
async function goodHeaders(service: ServiceName, route: Route): Promise<Record<string, string>> {
  const auth = route.auth ?? 'edge';
  if (auth === 'session') return { cookie: session.cookie, 'x-secai-csrf': session.csrf, origin: stack.url('ui') };
  if (auth === 'open') return { origin: stack.url('ui') };
  if (auth === 'key') return { authorization: `Bearer ${apiKey}` };
  const edge = edgesTo(service).find((candidate) => candidate.scopes.includes(route.scope!));
  return edge ? { authorization: `Bearer ${await edgeToken(edge.from, service)}` } : {};
}

function expectProblem(answer: Answer, status: number, code: string): void {
  expect(answer.status, answer.text).toBe(status);
  if (String(answer.headers['content-type']).startsWith('application/problem+json')) {
    const problem = problemSchema.parse(JSON.parse(answer.text));
    expect(problem.code).toBe(code);
    expect(problem.status).toBe(status);
    expect(problem.detail.length).toBeGreaterThan(5);
    expect(problem.request_id).toBe(answer.headers['x-request-id']);
  } else {
    // The OpenAI-compatible routes answer in OpenAI's shape.
    expect(JSON.parse(answer.text)).toMatchObject({ error: { message: expect.any(String), type: expect.any(String) } });
  }
}

type Case = { service: ServiceName; name: string; route: Route };
const routes: Case[] = Object.entries(contracts).flatMap(([service, contract]) =>
  Object.entries((contract as Contract).routes).map(([name, route]) => ({
    service: service as ServiceName,
    name,
    route,
  })),
);
const title = '$service $name';
const withBody = routes.filter(({ route }) => route.body && !route.rawBody);
const reachable = (cases: Case[]) =>
  cases.filter(
    ({ service, route }) =>
      (route.auth ?? 'edge') !== 'edge' || edgesTo(service).some((edge) => edge.scopes.includes(route.scope!)),
  );

verifies(['boundary.policy', 'kit.strict'], () => {
  describe.each(reachable(withBody))(`${title}: body`, ({ service, route }) => {
    const send = async (body: string | Buffer, type = 'application/json') =>
      call(
        service,
        route.method,
        pathOf(route),
        { ...(await goodHeaders(service, route)), 'content-type': type },
        body,
      );

    it('refuses an unknown field', async () => expectProblem(await send('{"no_such_field":1}'), 400, 'unknown_field'));
    it('refuses a duplicate key', async () => expectProblem(await send('{"a":1,"a":1}'), 400, 'duplicate_key'));
    it.each(['{', '', '{} {}', 'null,', '\uFEFF{}'])('refuses malformed JSON %j', async (body) =>
      expectProblem(await send(body), 400, 'malformed_json'),
    );
    it('refuses bytes that are not UTF-8', async () =>
      expectProblem(await send(Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x7d])), 400, 'malformed_json'));
    it('refuses another content type', async () =>
      expectProblem(await send('{}', 'text/plain'), 415, 'unsupported_media_type'));
    it('refuses an oversize body', async () => {
      const limit = route.maxBodyBytes ?? 1024 * 1024;
      expectProblem(await send(Buffer.alloc(limit + 1, 0x20)), 413, 'body_too_large');
    });
    it('refuses __proto__ as a field', async () =>
      expectProblem(await send('{"__proto__":{"x":1}}'), 400, 'unknown_field'));
  });

  describe.each(reachable(routes).filter(({ route }) => !route.stream && (route.auth ?? 'edge') !== 'key'))(
    `${title}: query`,
    ({ service, route }) => {
      it('refuses an unknown parameter', async () => {
        expectProblem(
          await call(service, route.method, `${pathOf(route)}?no_such_parameter=1`, await goodHeaders(service, route)),
          400,
          'unknown_field',
        );
      });
    },
  );
});

verifies(['boundary.agent-service', 'kit.identity'], () => {
  describe.each(routes.filter(({ route }) => route.auth !== 'open'))(`${title}: identity`, ({ service, route }) => {
    it.each([
      ['no token', {}],
      ['a made-up token', { authorization: `Bearer ${'A'.repeat(43)}` }],
      ['basic authentication', { authorization: 'Basic b3BlcmF0b3I6eA==' }],
      ['a made-up session', { cookie: `secai_session=${'A'.repeat(43)}` }],
    ])('refuses %s', async (_name, headers) => {
      expectProblem(
        await call(service, route.method, pathOf(route), headers as Record<string, string>),
        401,
        'unauthorized',
      );
    });

    it('refuses the token of another edge', async () => {
      const foreign = service === 'registry' ? 'operator--quarantine' : 'operator--registry';
      const token = (await readFile(join(stack.home, 'tokens', foreign), 'utf8')).trim();
      expectProblem(
        await call(service, route.method, pathOf(route), { authorization: `Bearer ${token}` }),
        401,
        'unauthorized',
      );
    });
  });

  const lacking = routes.flatMap(({ service, name, route }) =>
    (route.auth ?? 'edge') === 'edge'
      ? edgesTo(service)
          .filter((edge) => !edge.scopes.includes(route.scope!))
          .map((edge) => ({ service, name, route, from: edge.from }))
      : [],
  );
  it.each(lacking)('$service $name refuses $from, which lacks the scope', async ({ service, route, from }) => {
    expectProblem(
      await call(service, route.method, pathOf(route), { authorization: `Bearer ${await edgeToken(from, service)}` }),
      403,
      'forbidden',
    );
  });
});

describe.each(Object.keys(contracts) as ServiceName[])('%s', (service) => {
  it('answers /health to anyone and nothing else', async () => {
    expect((await call(service, 'GET', '/health', {})).status).toBe(200);
    for (const path of ['/ready', '/metrics', '/openapi.json'])
      expectProblem(await call(service, 'GET', path, {}), 401, 'unauthorized');
  });

  it('describes itself to its callers', async () => {
    const headers = { authorization: `Bearer ${await stack.token(service)}` };
    expect(JSON.parse((await call(service, 'GET', '/ready', headers)).text)).toMatchObject({ ready: true });
    expect((await call(service, 'GET', '/metrics', headers)).text).toContain('process_resident_memory_bytes');
    const document = JSON.parse((await call(service, 'GET', '/openapi.json', headers)).text) as {
      openapi: string;
      paths: Record<string, Record<string, object>>;
    };
    expect(document.openapi).toBe('3.1.0');
    for (const route of Object.values((contracts as Record<string, Contract>)[service]!.routes)) {
      expect(
        document.paths[route.path.replace(/:(\w+)/g, '{$1}')]?.[route.method.toLowerCase()],
        route.path,
      ).toMatchObject({ summary: route.summary });
    }
  });

  it('names the methods of an address and what is not there', async () => {
    const headers = { authorization: `Bearer ${await stack.token(service)}` };
    expectProblem(await call(service, 'POST', '/v1/no-such-thing', headers), 404, 'not_found');
    const route = Object.values((contracts as Record<string, Contract>)[service]!.routes).find(
      (one) => !one.path.includes(':'),
    )!;
    expectProblem(await call(service, 'PATCH', route.path, headers), 405, 'method_not_allowed');
  });

  it('sends hardened headers and no framework name', async () => {
    const { headers } = await call(service, 'GET', '/health', {});
    expect(headers['x-powered-by']).toBeUndefined();
    expect(headers['x-content-type-options']).toBe('nosniff');
    expect(String(headers['content-security-policy'])).toContain("default-src 'none'");
  });
});
