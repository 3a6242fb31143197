export {
  type Authenticator,
  createApp,
  type HandlerContext,
  type Handlers,
  problemDocument,
  type Request,
  type Response,
} from './app.ts';
export { MAX_JSON_BYTES, parseJson, readBody, validate } from './body.ts';
export { type Clock, isoTime, systemClock } from './clock.ts';
export { type BaseConfig, baseEnv, ConfigError, type Environment, readEnv } from './config.ts';
export { bearer, type Caller, CallerTable, hashToken, loadToken } from './identity.ts';
export { createLogger, type Logger } from './logger.ts';
export { openApi } from './openapi.ts';
export { type PolicyGate, policyGate } from './policy.ts';
export { run, runProcess } from './run.ts';
export {
  defineService,
  type Peers,
  type RunningService,
  type ServiceContext,
  type ServiceDefinition,
  type ServiceParts,
  startService,
  VERSION,
} from './service.ts';
export { drained, type EventStream, openEventStream } from './sse.ts';
