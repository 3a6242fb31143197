import { Menu as MenuIcon, SquarePen } from 'lucide-react';
import { lazy, type ReactNode, Suspense, useEffect, useState } from 'react';
import { Logo } from './components/logo.tsx';
import { Palette } from './components/palette.tsx';
import { AppLink, Sidebar } from './components/sidebar.tsx';
import { StatusLine } from './components/status-line.tsx';
import { Toasts } from './components/toasts.tsx';
import { useRoute } from './lib/router.ts';
import { useStore } from './lib/store.ts';
import { ChatPage } from './pages/chat.tsx';
import { LoginPage, SetUpPage } from './pages/welcome.tsx';
import { refreshChats } from './state/chats.ts';
import { refreshModels } from './state/models.ts';
import { loadSession, type Session, session } from './state/session.ts';

const ModelsPage = lazy(() => import('./pages/models.tsx').then((page) => ({ default: page.ModelsPage })));
const SettingsPage = lazy(() => import('./pages/settings.tsx').then((page) => ({ default: page.SettingsPage })));
const SystemPage = lazy(() => import('./pages/system.tsx').then((page) => ({ default: page.SystemPage })));

export function App(): ReactNode {
  const { session: present, error } = useStore(session);
  useEffect(() => void loadSession(), []);
  return (
    <>
      {present === null ? <Starting error={error} /> : <ByState session={present} />}
      <Toasts />
    </>
  );
}

function ByState(props: { session: Session }): ReactNode {
  if (props.session.state === 'setup') return <SetUpPage session={props.session} />;
  if (props.session.state === 'locked') return <LoginPage session={props.session} />;
  return <Shell session={props.session} />;
}

function Starting(props: { error: string | null }): ReactNode {
  return (
    <main className="welcome">
      <div className="welcome-card" role="status">
        <Logo size={52} />
        {props.error ? <p className="form-error">{props.error}</p> : <p className="sr-only">Starting…</p>}
      </div>
    </main>
  );
}

function Shell(props: { session: Session }): ReactNode {
  const route = useRoute();
  const [drawer, setDrawer] = useState(false);
  const [palette, setPalette] = useState(false);

  useEffect(() => {
    void refreshChats();
    void refreshModels();
  }, []);

  useEffect(() => {
    const onKey = (event: KeyboardEvent): void => {
      if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === 'k') {
        event.preventDefault();
        setPalette((open) => !open);
      } else if (event.key === 'Escape') setDrawer(false);
    };
    addEventListener('keydown', onKey);
    return () => removeEventListener('keydown', onKey);
  }, []);

  return (
    <div className="shell" data-drawer={drawer ? 'open' : 'closed'}>
      <a className="skip-link" href="#main">
        Skip to content
      </a>
      <Sidebar onGo={() => setDrawer(false)} onClose={() => setDrawer(false)} />
      {drawer ? (
        <button type="button" className="scrim" aria-label="Close menu" onClick={() => setDrawer(false)} />
      ) : null}
      <div className="stage">
        <div className="topbar only-narrow">
          <button
            type="button"
            className="icon-button"
            aria-label="Open menu"
            aria-expanded={drawer}
            onClick={() => setDrawer(true)}
          >
            <MenuIcon size={19} aria-hidden />
          </button>
          <span className="topbar-title">SecAI</span>
          <AppLink to={{ page: 'chat', id: null }} className="icon-button">
            <SquarePen size={17} aria-hidden />
            <span className="sr-only">New chat</span>
          </AppLink>
        </div>
        <main id="main" className="main" tabIndex={-1}>
          <Suspense fallback={<p className="sr-only">Loading…</p>}>
            {route.page === 'models' ? (
              <ModelsPage />
            ) : route.page === 'settings' ? (
              <SettingsPage />
            ) : route.page === 'system' ? (
              <SystemPage />
            ) : (
              <ChatPage id={route.id} />
            )}
          </Suspense>
        </main>
        <StatusLine mode={props.session.mode} />
      </div>
      {palette ? <Palette onClose={() => setPalette(false)} /> : null}
    </div>
  );
}
