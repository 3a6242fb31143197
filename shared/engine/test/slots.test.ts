import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Lease, QueueFullError, SlotPool } from '../src/index.ts';

describe('SlotPool', () => {
  it('serves in the order of asking', async () => {
    const pool = new SlotPool(1, 10);
    const order: string[] = [];
    const first = await pool.acquire(null);
    const others = ['b', 'c', 'd'].map(async (name) => {
      const lease = await pool.acquire(name);
      order.push(name);
      lease.release();
    });
    expect(pool.waiting).toBe(3);
    first.release();
    await Promise.all(others);
    expect(order).toEqual(['b', 'c', 'd']);
    expect(pool.busy).toBe(0);
  });

  it('gives a conversation its slot back, also when it had to wait', async () => {
    const pool = new SlotPool(2, 10);
    const [a, b] = [await pool.acquire('a'), await pool.acquire('b')];
    a.release();
    b.release();
    const again = await pool.acquire('b');
    expect([again.index, again.fresh]).toEqual([b.index, false]);
    pool.forget('b');
    again.release(false);
    expect((await pool.acquire('b')).fresh).toBe(true);
  });

  it('forgets who waits when aborted, and refuses beyond its queue', async () => {
    const pool = new SlotPool(1, 1);
    const lease = await pool.acquire(null);
    const gone = new AbortController();
    const waiting = pool.acquire(null, gone.signal);
    await expect(pool.acquire(null)).rejects.toBeInstanceOf(QueueFullError);
    gone.abort(new Error('gone'));
    await expect(waiting).rejects.toThrow('gone');
    expect(pool.waiting).toBe(0);
    lease.release();
    lease.release();
    expect(pool.busy).toBe(0);
  });

  it('never lends what another conversation left, nor one slot twice', () => {
    const step = fc.record({ session: fc.constantFrom(null, 'a', 'b', 'c'), release: fc.nat(5), keep: fc.boolean() });
    return fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), fc.integer({ min: 1, max: 3 }), async (steps, size) => {
        const pool = new SlotPool(size, 1000);
        const left = new Map<number, string | null>();
        const held: { lease: Lease; session: string | null }[] = [];
        for (const { session, release, keep } of steps) {
          void pool.acquire(session).then((lease) => {
            if (!lease.fresh) expect(left.get(lease.index)).toBe(session);
            expect(held.some((other) => other.lease.index === lease.index)).toBe(false);
            held.push({ lease, session });
          });
          await Promise.resolve();
          const [done] = held.splice(release, 1);
          if (done !== undefined) {
            left.set(done.lease.index, keep ? done.session : null);
            done.lease.release(keep);
            await Promise.resolve();
          }
          expect(pool.busy).toBeLessThanOrEqual(size);
        }
      }),
    );
  });
});
