import { fileURLToPath } from 'node:url';
import { ui } from '@secai/contracts';
import { CallerTable, ConfigError, defineService, isoTime, type ServiceContext, type ServiceParts } from '@secai/kit';
import { openStore } from '@secai/store';
import { Answering } from './answering.ts';
import { chatHandlers } from './chat-handlers.ts';
import { Chats } from './chats.ts';
import { withProblems } from './database.ts';
import { type UiEnv, uiEnv } from './env.ts';
import { setSecurityHeaders } from './headers.ts';
import { keyHandlers } from './key-handlers.ts';
import { ApiKeys, apiCaller } from './keys.ts';
import { LoginGuard } from './login-guard.ts';
import { migrations } from './migrations.ts';
import { modelHandlers } from './model-handlers.ts';
import { ModelNames } from './model-names.ts';
import { openAiHandlers } from './openai.ts';
import { openAiError } from './openai-errors.ts';
import { checkHost, checkOrigin } from './origin.ts';
import { Owner } from './owner.ts';
import type { Parts } from './parts.ts';
import { PassphraseHasher } from './passphrase.ts';
import { sessionHandlers, sessionToken } from './session-handlers.ts';
import { Sessions } from './sessions.ts';
import { systemHandlers } from './system.ts';
import { Upstream } from './upstream.ts';
import { WebApp } from './web-app.ts';

/** Beside src/ in the source tree and in the image. */
const WEB_DIST = fileURLToPath(new URL('../web/dist', import.meta.url));

/** The web page and the OpenAI-compatible API. */
export const uiService = defineService({ contract: ui, env: uiEnv, create });

async function create(context: ServiceContext<UiEnv>): Promise<ServiceParts<(typeof ui)['routes']>> {
  const { config, logger, peers } = context;
  const parts = await openParts(context);
  const { store } = parts;
  const callers = await CallerTable.load('ui', config.SECAI_CALLERS);
  const webApp = new WebApp(config.SECAI_UI_WEB ?? WEB_DIST);
  try {
    await firstPassphrase(parts, config.SECAI_PASSPHRASE);
    const cut = await parts.chats.markInterrupted();
    if (cut > 0) logger.warn({ answers: cut }, 'answers_interrupted');
  } catch (error) {
    await store.close();
    throw error;
  }
  return {
    handlers: {
      ...sessionHandlers(parts),
      ...modelHandlers(parts),
      ...chatHandlers(parts),
      ...keyHandlers(parts),
      ...systemHandlers(parts),
      ...openAiHandlers(parts),
    },
    readiness: {
      store: () => store.ping(),
      policy: async () => {
        await peers['policy-engine'].digest();
      },
    },
    authenticators: {
      session: async (req) => ((await sessionToken(parts, req)) === null ? null : { name: 'human', scopes: [] }),
      key: (req) => apiCaller(req, parts.keys, callers),
    },
    headers: (app) =>
      app.use((req, res, next) => {
        setSecurityHeaders(res);
        if (req.path !== '/health') checkHost(req, config.SECAI_UI_HOSTS);
        if (req.path.startsWith('/api/')) checkOrigin(req);
        next();
      }),
    mount: (app) =>
      app.use(async (req, res, next) => {
        if (!(await webApp.serve(req, res))) next();
      }),
    foreignProblem: (problem, req) =>
      req.path.startsWith('/v1/') && req.path !== '/v1/keys' ? openAiError(problem) : null,
    stop: async () => {
      await parts.answering.idle();
      parts.worker.close();
      parts.quarantine.close();
      await store.close();
    },
  };
}

/** Opens the store and makes the parts over it. Throws ConfigError without a DATABASE_URL. */
async function openParts(context: ServiceContext<UiEnv>): Promise<Parts> {
  const { config, clock, logger, peers } = context;
  if (config.DATABASE_URL === undefined)
    throw new ConfigError('DATABASE_URL is not set; expected the postgres:// address of the store');
  const store = withProblems(
    await openStore({
      databaseUrl: config.DATABASE_URL,
      schema: 'ui',
      migrations,
      onError: (error) => logger.warn({ err: error }, 'store_connection_lost'),
    }),
  );
  const chats = new Chats(store, clock);
  const worker = new Upstream({ name: 'the inference worker', token: peers['inference-worker'].token });
  return {
    ...context,
    store,
    owner: new Owner(store, new PassphraseHasher(), clock),
    guard: new LoginGuard(store, clock),
    sessions: new Sessions(store, clock),
    keys: new ApiKeys(store, clock, logger),
    chats,
    worker,
    quarantine: new Upstream({ name: 'quarantine', token: peers.quarantine.token }),
    answering: new Answering(chats, worker, peers['inference-worker'].address('chat'), logger),
    modelNames: new ModelNames(peers),
    startedAt: isoTime(clock),
  };
}

/** Sets the passphrase of the environment when there is none yet; a later start with the variable still set changes nothing. */
async function firstPassphrase({ owner, audit }: Parts, passphrase: string | undefined): Promise<void> {
  if (passphrase === undefined || passphrase === '' || (await owner.exists())) return;
  await owner.setUp(passphrase);
  await audit.append({ event: 'set_up', result: 'ok', by: 'environment' });
}
