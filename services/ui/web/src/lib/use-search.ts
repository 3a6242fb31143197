import { useEffect, useState } from 'react';
import { call, messageOf } from '../api.ts';
import type { ChatEntry } from '../state/chats.ts';
import { useDebounced } from './hooks.ts';

export interface SearchState {
  /** null while nothing is searched for or the first answer is on its way. */
  results: ChatEntry[] | null;
  error: string | null;
}

/** Full-text search over chats, 180 ms after the last key; an answer to an older question is dropped. */
export function useSearch(query: string): SearchState {
  const settled = useDebounced(query.trim(), 180);
  const [state, setState] = useState<SearchState>({ results: null, error: null });
  useEffect(() => {
    if (settled === '') {
      setState({ results: null, error: null });
      return;
    }
    const abort = new AbortController();
    call('chats', { query: { q: settled.slice(0, 200) }, signal: abort.signal }).then(
      ({ chats }) => setState({ results: chats, error: null }),
      (error: unknown) => {
        if (!abort.signal.aborted) setState({ results: null, error: messageOf(error) });
      },
    );
    return () => abort.abort();
  }, [settled]);
  return query.trim() === '' ? { results: null, error: null } : state;
}
