import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Turnstile } from '../src/turnstile.ts';

describe('the turnstile', () => {
  it('lets in as many as there are places, in order, whoever gives up', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 3 }),
        fc.array(fc.boolean(), { maxLength: 12 }),
        fc.scheduler(),
        async (places, givesUp, scheduler) => {
          const turnstile = new Turnstile(places);
          let inside = 0;
          const entered: number[] = [];
          const visits = givesUp.map(async (impatient, index) => {
            const abort = new AbortController();
            const turn = turnstile.enter(abort.signal);
            if (impatient)
              void scheduler.schedule(Promise.resolve(), `give up ${index}`).then(() => abort.abort(new Error('gone')));
            const leave = await turn.catch(() => null);
            if (!leave) return;
            entered.push(index);
            expect(++inside).toBeLessThanOrEqual(places);
            await scheduler.schedule(Promise.resolve(), `leave ${index}`);
            inside--;
            leave();
            leave(); // a second call gives nothing back
          });
          await scheduler.waitFor(Promise.all(visits));
          expect(inside).toBe(0);
          const patient = entered.filter((index) => !givesUp[index]);
          expect(patient).toEqual(givesUp.flatMap((impatient, index) => (impatient ? [] : [index])));
          for (let place = 0; place < places; place++) await turnstile.enter(new AbortController().signal);
        },
      ),
    );
  });
});
