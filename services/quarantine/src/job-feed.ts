import type { QuarantineJob } from '@secai/contracts';

type Listener = (job: QuarantineJob) => void;

/** Tells whoever watches a job about its changes; steady progress at most four times a second. */
export class JobFeed {
  readonly #listeners = new Map<string, Set<Listener>>();
  readonly #waiting = new Map<string, NodeJS.Timeout>();
  readonly #view: (id: string) => QuarantineJob | null;

  /** `view` gives the present state of a job, null when it is not active. */
  constructor(view: (id: string) => QuarantineJob | null) {
    this.#view = view;
  }

  /** Calls `listener` with the job after each change; returns the end of it. */
  watch(id: string, listener: Listener): () => void {
    const listeners = this.#listeners.get(id) ?? new Set();
    this.#listeners.set(id, listeners.add(listener));
    return () => {
      listeners.delete(listener);
      if (listeners.size === 0) this.#listeners.delete(id);
    };
  }

  changed(job: QuarantineJob): void {
    clearTimeout(this.#waiting.get(job.id));
    this.#waiting.delete(job.id);
    for (const listener of this.#listeners.get(job.id) ?? []) listener(job);
  }

  progressed(id: string): void {
    if (this.#waiting.has(id) || !this.#listeners.has(id)) return;
    const tell = (): void => {
      this.#waiting.delete(id);
      const job = this.#view(id);
      if (job) this.changed(job);
    };
    this.#waiting.set(id, setTimeout(tell, 250));
  }
}
