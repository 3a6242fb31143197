import * as z from 'zod';

/** Raised before anything starts; the message is the one line an operator sees. */
export class ConfigError extends Error {
  override name = 'ConfigError';
}

const listen = z
  .string()
  .regex(/^(?:\d{1,3}(?:\.\d{1,3}){3}|\[[0-9a-f:]+\]|localhost):\d{1,5}$/, 'host:port, e.g. 127.0.0.1:8470')
  .transform((text) => {
    const at = text.lastIndexOf(':');
    return { host: text.slice(0, at).replace(/^\[|\]$/g, ''), port: Number(text.slice(at + 1)) };
  })
  .refine(({ port }) => port <= 65535, 'a port up to 65535');

const path = z.string().startsWith('/', 'an absolute path');

/** What every service reads from its environment; see docs/configuration.md. */
export const baseEnv = z.object({
  SECAI_LISTEN: listen,
  SECAI_TOKENS: path,
  SECAI_CALLERS: path,
  SECAI_STATE_DIR: path,
  SECAI_AUDIT_DIR: path,
  SECAI_AUDIT_KEY: path,
  SECAI_MODE: z.enum(['evaluation', 'vm', 'hardware']).default('evaluation'),
  SECAI_LIFELINE: z.enum(['0', '1']).default('0'),
  SECAI_LOG_LEVEL: z.enum(['debug', 'info', 'warn', 'error', 'silent']).default('info'),
  SECAI_DIR_MODELS: path.optional(),
  SECAI_DIR_QUARANTINE: path.optional(),
  DATABASE_URL: z
    .string()
    .regex(/^postgres(ql)?:/, 'a postgres:// address')
    .optional(),
});

export type BaseConfig = z.output<typeof baseEnv>;
export type Environment = Record<string, string | undefined>;

/** Validates the variables of `schema` in `env`. Throws ConfigError naming variable, value and expectation. */
export function readEnv<T extends z.ZodObject>(schema: T, env: Environment): z.output<T> {
  const result = schema.safeParse(Object.fromEntries(Object.keys(schema.shape).map((key) => [key, env[key]])));
  if (result.success) return result.data;
  const issue = result.error.issues[0]!;
  const name = String(issue.path[0]);
  const raw = env[name];
  const shown = /TOKEN|KEY|PASS|DATABASE_URL/.test(name) ? 'its value' : JSON.stringify(raw);
  throw new ConfigError(
    raw === undefined
      ? `${name} is not set; expected ${issue.message}`
      : `${name}: ${shown} does not fit; expected ${issue.message}`,
  );
}

/** The address of a peer service. Throws ConfigError when the variable is missing. */
export function peerAddress(env: Environment, peer: string): string {
  const name = `SECAI_PEER_${peer.toUpperCase().replaceAll('-', '_')}`;
  return readEnv(z.object({ [name]: z.url({ protocol: /^https?$/, message: 'an http address of the service' }) }), env)[
    name
  ] as string;
}
