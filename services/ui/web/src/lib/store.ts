import { useSyncExternalStore } from 'react';

/** A value that components can watch. `set` takes the next value or a function of the present one. */
export interface Store<T> {
  get(): T;
  set(next: T | ((present: T) => T)): void;
  subscribe(onChange: () => void): () => void;
}

export function createStore<T>(initial: T): Store<T> {
  let value = initial;
  const watchers = new Set<() => void>();
  return {
    get: () => value,
    set: (next) => {
      const changed = typeof next === 'function' ? (next as (present: T) => T)(value) : next;
      if (Object.is(changed, value)) return;
      value = changed;
      for (const watcher of [...watchers]) watcher();
    },
    subscribe: (onChange) => {
      watchers.add(onChange);
      return () => watchers.delete(onChange);
    },
  };
}

export function useStore<T>(store: Store<T>): T {
  return useSyncExternalStore(store.subscribe, store.get);
}

/** Watches part of a store; `select` must give the same object for the same state. */
export function useStorePart<T, P>(store: Store<T>, select: (value: T) => P): P {
  return useSyncExternalStore(store.subscribe, () => select(store.get()));
}
