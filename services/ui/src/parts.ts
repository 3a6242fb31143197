import type { ServiceContext } from '@secai/kit';
import type { Store } from '@secai/store';
import type { Answering } from './answering.ts';
import type { Chats } from './chats.ts';
import type { UiEnv } from './env.ts';
import type { ApiKeys } from './keys.ts';
import type { LoginGuard } from './login-guard.ts';
import type { ModelNames } from './model-names.ts';
import type { Owner } from './owner.ts';
import type { Sessions } from './sessions.ts';
import type { Upstream } from './upstream.ts';

/** What the handlers work with. */
export interface Parts extends ServiceContext<UiEnv> {
  store: Store;
  owner: Owner;
  guard: LoginGuard;
  sessions: Sessions;
  keys: ApiKeys;
  chats: Chats;
  answering: Answering;
  modelNames: ModelNames;
  /** Streams from the inference worker and from quarantine. */
  worker: Upstream;
  quarantine: Upstream;
  /** When this process started, RFC 3339. */
  startedAt: string;
}
