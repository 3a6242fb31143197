/** Test support: the real store, policy engine, registry and quarantine as processes, on folders of their own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { openAsBlob } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import type { QuarantineJob } from '@secai/contracts';
import { ServiceProcess } from '../../../registry/test/support/process.ts';

const root = resolve(import.meta.dirname, '../../../..');

/** Lets safetensors files through, which no engine here can run, so that most journeys need no model engine. */
const SAFETENSORS_RULE = `@id("test-safetensors")
@reason("Test: a safetensors file may skip the behaviour stage.")
permit (principal, action == Action::"promote", resource)
when { context.format == Format::"safetensors" && context.stages.behaviour == Verdict::"skip" };
`;

class StoreProcess {
  readonly dir: string;
  #child: ChildProcess | undefined;

  constructor(dir: string) {
    this.dir = dir;
  }

  get url(): string {
    return `postgres:///postgres?host=${encodeURIComponent(join(this.dir, 's'))}&user=postgres`;
  }

  async start(): Promise<void> {
    this.#child = spawn(process.execPath, [join(root, 'services/store/src/main.ts')], {
      env: {
        PATH: process.env['PATH'],
        SECAI_LIFELINE: '1',
        SECAI_STATE_DIR: join(this.dir, 'state'),
        SECAI_SOCKET_DIR: join(this.dir, 's'),
      },
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    for await (const line of createInterface({ input: this.#child.stdout! }))
      if ((JSON.parse(line) as { event?: string }).event === 'ready') return;
    throw new Error('the store did not start');
  }

  async end(signal: NodeJS.Signals): Promise<void> {
    if (!this.#child || this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const gone = once(this.#child, 'exit');
    this.#child.kill(signal);
    await gone;
  }
}

export interface Submission {
  name?: string;
  fileName?: string;
  sha256?: string;
}

export class QuarantineBench {
  readonly dir: string;
  readonly store: StoreProcess;
  readonly engine: ServiceProcess<'policy-engine'>;
  readonly registry: ServiceProcess<'registry'>;
  readonly quarantine: ServiceProcess<'quarantine'>;

  private constructor(
    dir: string,
    store: StoreProcess,
    engine: ServiceProcess<'policy-engine'>,
    registry: ServiceProcess<'registry'>,
    quarantine: ServiceProcess<'quarantine'>,
  ) {
    this.dir = dir;
    this.store = store;
    this.engine = engine;
    this.registry = registry;
    this.quarantine = quarantine;
  }

  static async start(extra: Record<string, string> = {}, quarantineDir?: string): Promise<QuarantineBench> {
    const dir = await mkdtemp(join(tmpdir(), 'secai-qb-'));
    const store = new StoreProcess(dir);
    await mkdir(join(dir, 'state'));
    const [, engine] = await Promise.all([store.start(), ServiceProcess.start('policy-engine')]);
    const folders = {
      SECAI_DIR_MODELS: join(dir, 'models'),
      SECAI_DIR_QUARANTINE: quarantineDir ?? join(dir, 'quarantine'),
    };
    const registry = await ServiceProcess.start('registry', [engine], folders);
    const quarantine = await ServiceProcess.start('quarantine', [engine, registry], {
      ...folders,
      DATABASE_URL: store.url,
      SECAI_DEPENDENCY_WAIT: '20',
      ...extra,
    });
    await engine.client('ui').apply({ params: { domain: 'model_promotion' }, body: { text: SAFETENSORS_RULE } });
    return new QuarantineBench(dir, store, engine, registry, quarantine);
  }

  get client() {
    return this.quarantine.client('ui');
  }

  /** Changes the promotion policy in a way that changes no decision. */
  async changePolicy(): Promise<void> {
    const text = `${SAFETENSORS_RULE}// ${performance.now()}\n`;
    await this.engine.client('ui').apply({ params: { domain: 'model_promotion' }, body: { text } });
  }

  /** POST /v1/jobs. `file`: bytes, or the path of a file. */
  async post(file: Uint8Array | string, { name, fileName = 'model.safetensors', sha256 }: Submission = {}) {
    const form = new FormData();
    if (name !== undefined) form.set('name', name);
    if (sha256 !== undefined) form.set('sha256', sha256);
    form.set(
      'file',
      typeof file === 'string' ? await openAsBlob(file) : new Blob([file as Uint8Array<ArrayBuffer>]),
      fileName,
    );
    const response = await fetch(`${this.quarantine.url}/v1/jobs`, {
      method: 'POST',
      body: form,
      headers: this.authorization,
    });
    return {
      status: response.status,
      body: (await response.json()) as QuarantineJob & { code?: string; detail?: string },
    };
  }

  async submit(file: Uint8Array | string, submission: Submission = {}): Promise<QuarantineJob> {
    const { status, body } = await this.post(file, submission);
    if (status !== 202) throw new Error(`submit answered ${status}: ${body.detail}`);
    return body;
  }

  /** Every state of a job as the event stream tells it, to its end. */
  async *watch(id: string): AsyncGenerator<QuarantineJob> {
    const response = await fetch(this.client.address('events', { params: { id } }), { headers: this.authorization });
    let rest = '';
    for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
      const events = (rest + chunk).split('\n\n');
      rest = events.pop()!;
      for (const event of events) {
        const data = event.split('\n').find((line) => line.startsWith('data: '));
        if (data) yield JSON.parse(data.slice(6)) as QuarantineJob;
      }
    }
  }

  /** Waits for the end of a job; survives restarts of the service. */
  async finished(id: string): Promise<QuarantineJob> {
    for (;;) {
      let last: QuarantineJob | undefined;
      for await (const job of this.watch(id)) last = job;
      if (last && last.state !== 'queued' && last.state !== 'running') return last;
    }
  }

  async journey(file: Uint8Array | string, submission: Submission = {}): Promise<QuarantineJob> {
    return this.finished((await this.submit(file, submission)).id);
  }

  get authorization(): Record<string, string> {
    return { authorization: `Bearer ${this.quarantine.environment.tokenOf('ui')}` };
  }

  get quarantineDir(): string {
    return this.quarantine.environment.env['SECAI_DIR_QUARANTINE']!;
  }

  /** Names of all files below the quarantine folder. */
  async leftovers(): Promise<string[]> {
    const entries = await readdir(this.quarantineDir, { recursive: true, withFileTypes: true });
    return entries.filter((entry) => !entry.isDirectory()).map(({ name }) => name);
  }

  async stop(): Promise<void> {
    await this.quarantine.remove();
    await this.registry.remove();
    await this.engine.remove();
    await this.store.end('SIGKILL');
    await rm(this.dir, { recursive: true, force: true });
  }
}
