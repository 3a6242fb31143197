import { useSyncExternalStore } from 'react';

/** Where the page is. Unknown addresses are the home page. */
export type Route =
  | { page: 'chat'; id: string | null }
  | { page: 'models' }
  | { page: 'settings' }
  | { page: 'system' };

export function parseRoute(path: string): Route {
  const [, first, second] = path.split('/');
  if (first === 'chat' && second) return { page: 'chat', id: decode(second) };
  if (first === 'models' || first === 'settings' || first === 'system') return { page: first };
  return { page: 'chat', id: null };
}

export function pathOf(route: Route): string {
  if (route.page !== 'chat') return `/${route.page}`;
  return route.id === null ? '/' : `/chat/${encodeURIComponent(route.id)}`;
}

const changed = 'secai:navigate';

export function navigate(route: Route, how: 'push' | 'replace' = 'push'): void {
  const path = pathOf(route);
  if (path === location.pathname) return;
  if (how === 'push') history.pushState(null, '', path);
  else history.replaceState(null, '', path);
  dispatchEvent(new Event(changed));
}

export function useRoute(): Route {
  return parseRoute(useSyncExternalStore(subscribe, () => location.pathname));
}

function subscribe(onChange: () => void): () => void {
  addEventListener('popstate', onChange);
  addEventListener(changed, onChange);
  return () => {
    removeEventListener('popstate', onChange);
    removeEventListener(changed, onChange);
  };
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
