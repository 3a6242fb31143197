import { type ChildProcess, spawn } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import type { Service } from '@secai/topology';
import type { Command } from './command.ts';

export type ServiceState = 'waiting' | 'starting' | 'ready' | 'restarting' | 'failed' | 'stopped';

export interface SupervisorOptions {
  /** First and longest pause before a restart, in ms. */
  backoffMs: { first: number; longest: number };
  /** How long a service may take until it is ready. */
  readyMs: number;
  /** Resolves when the service answers; rejects with what it said when not. */
  checkReady(service: Service): Promise<void>;
}

/** EX_CONFIG of sysexits.h: a restart cannot mend it. */
const EXIT_CONFIG = 78;
/** A service that ran this long is healthy again, so its next crash starts with the short pause. */
const HEALTHY_MS = 30_000;

/** One service as a child process: started, watched, restarted with growing pauses, stopped. Emits `line` and `state`. */
export class Supervised extends EventEmitter<{ line: [stream: 'out' | 'err', line: string]; state: [ServiceState] }> {
  readonly service: Service;
  state: ServiceState = 'waiting';
  restarts = 0;
  /** Why it is not ready. */
  detail = '';
  readonly #command: Command;
  readonly #options: SupervisorOptions;
  readonly #stopping = new AbortController();
  #child: ChildProcess | null = null;
  #startedAt = 0;
  #running: Promise<void> | null = null;

  constructor(service: Service, command: Command, options: SupervisorOptions) {
    super();
    this.service = service;
    this.#command = command;
    this.#options = options;
  }

  /** The process id while it runs. */
  get pid(): number | undefined {
    return this.#child?.exitCode === null && this.#child.signalCode === null ? this.#child.pid : undefined;
  }

  /** Starts it and resolves when it is ready for the first time. Rejects when it cannot start. */
  async start(): Promise<void> {
    const first = Promise.withResolvers<void>();
    this.#running = this.#supervise(first);
    await first.promise;
  }

  async #supervise(first: PromiseWithResolvers<void>): Promise<void> {
    let pause = this.#options.backoffMs.first;
    let everReady = false;
    while (!this.#stopping.signal.aborted) {
      this.#set('starting');
      const exited = this.#spawn();
      const ready = this.#awaitReady();
      const outcome = await Promise.race([exited.then((why) => ({ why })), ready.then((ok) => ({ ok }))]);
      if ('ok' in outcome && outcome.ok) {
        everReady = true;
        this.detail = '';
        this.#set('ready');
        first.resolve();
      }
      const why = await exited;
      if (this.#stopping.signal.aborted) break;
      this.detail = why.text;
      if (why.code === EXIT_CONFIG || !everReady) {
        this.#set('failed');
        first.reject(new Error(`${this.service.name} did not start: ${why.text}`));
        return;
      }
      if (performance.now() - this.#startedAt > HEALTHY_MS) pause = this.#options.backoffMs.first;
      this.restarts++;
      this.#set('restarting');
      await delay(pause, undefined, { signal: this.#stopping.signal }).catch(() => undefined);
      pause = Math.min(pause * 2, this.#options.backoffMs.longest);
    }
    this.#set('stopped');
  }

  #spawn(): Promise<{ code: number | null; text: string }> {
    const { command, args, env, cwd } = this.#command;
    this.#startedAt = performance.now();
    // Its own process group: Ctrl-C in the terminal reaches the launcher only, which stops the services in order.
    const child = spawn(command, args, { env, cwd, stdio: ['pipe', 'pipe', 'pipe'], detached: true });
    this.#child = child;
    child.stdin?.on('error', () => undefined); // the lifeline breaks when the child dies; `close` reports that
    let lastError = '';
    createInterface({ input: child.stdout! }).on('line', (line) => this.emit('line', 'out', line));
    createInterface({ input: child.stderr! }).on('line', (line) => {
      lastError = lastError || line;
      this.emit('line', 'err', line);
    });
    return new Promise((resolve) => {
      child.once('error', (error) => resolve({ code: null, text: error.message }));
      child.once('close', (code, signal) => {
        resolve({ code, text: lastError || (signal ? `killed by ${signal}` : `ended with code ${code}`) });
      });
    });
  }

  async #awaitReady(): Promise<boolean> {
    const child = this.#child;
    const deadline = performance.now() + this.#options.readyMs;
    while (
      performance.now() < deadline &&
      child?.exitCode === null &&
      child.signalCode === null &&
      !this.#stopping.signal.aborted
    ) {
      try {
        await this.#options.checkReady(this.service);
        return true;
      } catch (error) {
        this.detail = (error as Error).message;
        await delay(50);
      }
    }
    if (child?.exitCode === null && !this.#stopping.signal.aborted) {
      this.detail = `not ready after ${this.#options.readyMs / 1000} s: ${this.detail}`;
      child.kill('SIGKILL');
    }
    return false;
  }

  /** Asks it to stop, kills it after 6 s. Resolves when it is gone. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    const child = this.#child;
    if (child && child.exitCode === null && child.signalCode === null) {
      const closed = once(child, 'close');
      child.kill('SIGTERM');
      child.stdin?.end();
      const kill = setTimeout(() => child.kill('SIGKILL'), 6000);
      await closed;
      clearTimeout(kill);
    }
    await this.#running;
    this.#set('stopped');
  }

  #set(state: ServiceState): void {
    if (this.state === state) return;
    this.state = state;
    this.emit('state', state);
  }
}
