import { createHash, randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { contracts, createClient, stageNames } from '@secai/contracts';
import { type RunningService, startService } from '@secai/kit';
import { type TestEnvironment, testEnvironment } from '@secai/kit/testing';
import { openStore, type Store } from '@secai/store';
import { policyEngineService } from '../../../policy-engine/src/service.ts';
import { quarantineService } from '../../../quarantine/src/service.ts';
import { registryService } from '../../../registry/src/service.ts';
import { startStore } from '../../../store/src/store.ts';
import { migrations } from '../../src/migrations.ts';
import { uiService } from '../../src/service.ts';
import { Browser } from './browser.ts';
import { ManualClock } from './clock.ts';
import { ScriptedEngine } from './engine.ts';

export interface StackOptions {
  env?: Record<string, string>;
  /** Another Postgres-compatible server than the embedded store. */
  databaseUrl?: string;
  /** Also run quarantine. */
  quarantine?: boolean;
}

export const PASSPHRASE = 'correct horse battery';

/** The ui over a real store, policy engine and registry; the engine is scripted. */
export class Stack {
  readonly dir: string;
  readonly clock = new ManualClock();
  readonly #stops: (() => Promise<unknown>)[] = [];
  ui!: RunningService;
  environment!: TestEnvironment;
  engine!: ScriptedEngine;
  policy!: RunningService;
  quarantine!: RunningService;
  store!: Store;
  #registry!: { url: string; environment: TestEnvironment };

  private constructor(dir: string) {
    this.dir = dir;
  }

  static async start(options: StackOptions = {}): Promise<Stack> {
    const stack = new Stack(await mkdtemp(join(tmpdir(), 'secai-ui-')));
    await stack.#boot(options);
    return stack;
  }

  async #boot(options: StackOptions): Promise<void> {
    const databaseUrl = options.databaseUrl ?? (await this.#startStore());
    this.store = await openStore({ databaseUrl, schema: 'ui', migrations });
    this.#stops.push(() => this.store.close());
    this.engine = await ScriptedEngine.start();
    this.#stops.push(() => this.engine.stop());
    const policy = await testEnvironment('policy-engine');
    this.policy = await startService(policyEngineService, { env: policy.env });
    const registry = await testEnvironment(
      'registry',
      { 'policy-engine': { url: this.policy.url, token: policy.tokenOf('registry') } },
      { SECAI_DIR_MODELS: join(this.dir, 'models'), SECAI_DIR_QUARANTINE: join(this.dir, 'quarantine') },
    );
    await mkdir(join(this.dir, 'quarantine'));
    const running = await startService(registryService, { env: registry.env });
    this.#registry = { url: running.url, environment: registry };
    const quarantine = options.quarantine ? await this.#startQuarantine(databaseUrl, policy, registry) : undefined;
    this.environment = await testEnvironment(
      'ui',
      {
        'policy-engine': { url: this.policy.url, token: policy.tokenOf('ui') },
        registry: { url: running.url, token: registry.tokenOf('ui') },
        'inference-worker': { url: this.engine.url, token: 'e'.repeat(43) },
        ...(quarantine && { quarantine }),
      },
      { DATABASE_URL: databaseUrl, ...options.env },
    );
    this.ui = await startService(uiService, { env: this.environment.env, clock: this.clock });
    this.#stops.push(
      () => policy.remove(),
      () => registry.remove(),
      () => this.environment.remove(),
      () => this.policy.stop(),
      () => running.stop(),
      () => this.ui.stop(),
    );
  }

  async #startQuarantine(databaseUrl: string, policy: TestEnvironment, registry: TestEnvironment) {
    const environment = await testEnvironment(
      'quarantine',
      {
        'policy-engine': { url: this.policy.url, token: policy.tokenOf('quarantine') },
        registry: { url: this.#registry.url, token: registry.tokenOf('quarantine') },
      },
      { DATABASE_URL: databaseUrl, SECAI_DIR_QUARANTINE: join(this.dir, 'quarantine') },
    );
    this.quarantine = await startService(quarantineService, { env: environment.env });
    this.#stops.push(
      () => environment.remove(),
      () => this.quarantine.stop(),
    );
    return { url: this.quarantine.url, token: environment.tokenOf('ui') };
  }

  async #startStore(): Promise<string> {
    const env = { SECAI_STATE_DIR: join(this.dir, 'db'), SECAI_SOCKET_DIR: this.dir, SECAI_LOG_LEVEL: 'silent' };
    this.#stops.push(await startStore(env));
    return `postgres://secai@localhost/postgres?host=${encodeURIComponent(this.dir)}`;
  }

  /** Stops the ui and starts it again on the same port and state. */
  async restartUi(): Promise<void> {
    const port = new URL(this.ui.url).port;
    await this.ui.stop();
    const env = { ...this.environment.env, SECAI_LISTEN: `127.0.0.1:${port}` };
    this.ui = await startService(uiService, { env, clock: this.clock });
  }

  browser(): Browser {
    return new Browser(this.ui.url);
  }

  /** A browser that is logged in; the first one sets the passphrase. */
  async loggedIn(): Promise<Browser> {
    const browser = this.browser();
    const { state } = (await browser.get('/api/session')).json as { state: string };
    await browser.post(state === 'setup' ? '/api/setup' : '/api/login', { passphrase: PASSPHRASE });
    return browser;
  }

  /** Puts a model into the registry, as quarantine does after its seven stages. */
  async promote(name: string): Promise<void> {
    const bytes = Buffer.from(`weights of ${name}`);
    await writeFile(join(this.dir, 'quarantine', name), bytes);
    const { environment, url } = this.#registry;
    const registry = createClient(contracts.registry, { baseUrl: url, token: environment.tokenOf('quarantine') });
    const sha256 = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
    const policy = createClient(contracts['policy-engine'], {
      baseUrl: this.policy.url,
      token: await readFile(join(this.environment.env['SECAI_TOKENS']!, 'ui--policy-engine'), 'utf8'),
    });
    const { domains } = await policy.listPolicies();
    await registry.promote({
      body: {
        name,
        job_id: randomUUID(),
        file: name,
        sha256,
        size: bytes.length,
        facts: { format: 'gguf' },
        signature: 'missing',
        origin: 'local',
        stages: stageNames.map((stage) => ({ name: stage, verdict: stage === 'diffusion' ? 'skip' : 'pass' })),
        policy_digest: domains.find(({ domain }) => domain === 'model_promotion')!.digest,
      },
    });
  }

  async stop(): Promise<void> {
    for (const stop of this.#stops.reverse()) await stop();
    await rm(this.dir, { recursive: true, force: true });
  }
}
