import { addressOf, call, endpoints } from '../api.ts';
import { isOver, type Job, putJob } from './models.ts';

/**
 * Follows a running import until it is over: server-sent events, and a plain question every 3 s while those do not
 * come through. Returns the function that stops it.
 */
export function watchJob(id: string): () => void {
  const source = new EventSource(addressOf(endpoints.importEvents[1], { id }));
  let timer: ReturnType<typeof setTimeout> | null = null;
  let stopped = false;

  const stop = (): void => {
    stopped = true;
    source.close();
    if (timer) clearTimeout(timer);
  };
  const take = (job: Job): void => {
    if (stopped) return;
    putJob(job);
    if (isOver(job)) stop();
  };
  const ask = (): void => {
    timer = null;
    call('importJob', { params: { id } }).then(take, () => {
      if (!stopped && source.readyState === EventSource.CLOSED) again();
    });
  };
  const again = (): void => {
    timer ??= setTimeout(ask, 3000);
  };
  source.addEventListener('job', (event) => take(JSON.parse(event.data) as Job));
  source.addEventListener('error', () => {
    if (!stopped) again();
  });
  return stop;
}
