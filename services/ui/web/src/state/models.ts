import { type Answer, call, messageOf } from '../api.ts';
import { createStore } from '../lib/store.ts';

type ModelsAnswer = Answer<'models'>;
export type Model = ModelsAnswer['models'][number];
export type Job = ModelsAnswer['jobs'][number];

export interface ModelsState {
  loaded: boolean;
  models: Model[];
  jobs: Job[];
  engine: ModelsAnswer['engine'];
  problems: string[];
  error: string | null;
}

const nothing: ModelsState = { loaded: false, models: [], jobs: [], engine: null, problems: [], error: null };

export const models = createStore<ModelsState>(nothing);

export function forgetModels(): void {
  models.set(nothing);
}

let running: Promise<void> | null = null;

/** Asks for models, imports and the engine; calls that come while one runs share it. */
export function refreshModels(): Promise<void> {
  running ??= load().finally(() => {
    running = null;
  });
  return running;
}

async function load(): Promise<void> {
  try {
    const answer = await call('models');
    follow(answer.jobs);
    models.set({ ...answer, loaded: true, error: null });
  } catch (error) {
    models.set((present) => ({ ...present, error: messageOf(error) }));
  }
}

/** Jobs that this page saw unfinished. */
const followed = new Set<string>();

/** True for an import that is running, or that ended while this page was open. */
export function isNews(job: Job): boolean {
  return !isOver(job) || followed.has(job.id);
}

function follow(jobs: readonly Job[]): void {
  for (const job of jobs) if (!isOver(job)) followed.add(job.id);
}

/** Puts the newest state of a job in its place; a job that just passed brings its model. */
export function putJob(job: Job): void {
  follow([job]);
  const before = models.get().jobs.find((other) => other.id === job.id);
  models.set((present) => ({
    ...present,
    jobs: before ? present.jobs.map((other) => (other.id === job.id ? job : other)) : [job, ...present.jobs],
  }));
  if (isOver(job) && !(before && isOver(before))) void refreshModels();
}

export function dropJob(id: string): void {
  models.set((present) => ({ ...present, jobs: present.jobs.filter((job) => job.id !== id) }));
}

export function isOver(job: Job): boolean {
  return job.state !== 'queued' && job.state !== 'running';
}

export function availableModels(state: ModelsState): Model[] {
  return state.models.filter((model) => model.state === 'available');
}
