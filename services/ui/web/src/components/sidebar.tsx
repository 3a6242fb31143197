import {
  Activity,
  Box,
  Download,
  Ellipsis,
  Pencil,
  Pin,
  PinOff,
  Search,
  Settings,
  SquarePen,
  Trash2,
  X,
} from 'lucide-react';
import { type MouseEvent, type ReactNode, useState } from 'react';
import { addressOf, endpoints, messageOf } from '../api.ts';
import { useNow } from '../lib/hooks.ts';
import { navigate, pathOf, type Route, useRoute } from '../lib/router.ts';
import { useStore } from '../lib/store.ts';
import { groupChats } from '../lib/time.ts';
import { useSearch } from '../lib/use-search.ts';
import { type ChatEntry, changeChat, chats, removeChat } from '../state/chats.ts';
import { isOver, models } from '../state/models.ts';
import { say } from '../state/toasts.ts';
import { Confirm } from './dialog.tsx';
import { Logo } from './logo.tsx';
import { Marked } from './marked.tsx';
import { Menu } from './menu.tsx';

/** A link inside the app: follows the router, yet stays a link for middle clicks and screen readers. */
export function AppLink(props: {
  to: Route;
  className?: string;
  current?: boolean;
  onGo?: (() => void) | undefined;
  title?: string;
  children: ReactNode;
}): ReactNode {
  const go = (event: MouseEvent): void => {
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.button !== 0) return;
    event.preventDefault();
    navigate(props.to);
    props.onGo?.();
  };
  return (
    <a
      href={pathOf(props.to)}
      className={props.className}
      aria-current={props.current ? 'page' : undefined}
      title={props.title}
      onClick={go}
    >
      {props.children}
    </a>
  );
}

export function Sidebar(props: { onGo: () => void; onClose: () => void }): ReactNode {
  const route = useRoute();
  const [query, setQuery] = useState('');
  const { jobs } = useStore(models);
  const checking = jobs.filter((job) => !isOver(job)).length;
  return (
    <aside className="sidebar" aria-label="Chats and pages">
      <div className="sidebar-head">
        <AppLink to={{ page: 'chat', id: null }} className="brand" onGo={props.onGo}>
          <Logo />
          <span>SecAI</span>
        </AppLink>
        <button type="button" className="icon-button only-narrow" aria-label="Close menu" onClick={props.onClose}>
          <X size={18} aria-hidden />
        </button>
      </div>
      <AppLink
        to={{ page: 'chat', id: null }}
        className="new-chat"
        current={route.page === 'chat' && route.id === null}
        onGo={props.onGo}
      >
        <SquarePen size={16} aria-hidden /> New chat
      </AppLink>
      <div className="search">
        <Search size={15} aria-hidden />
        <input
          type="search"
          placeholder="Search chats"
          aria-label="Search chats"
          value={query}
          onChange={(event) => setQuery(event.target.value)}
          onKeyDown={(event) => {
            if (event.key === 'Escape') setQuery('');
          }}
        />
      </div>
      <nav className="history" aria-label="Chat history">
        {query.trim() === '' ? <History onGo={props.onGo} /> : <Results query={query} onGo={props.onGo} />}
      </nav>
      <nav className="pages" aria-label="Pages">
        <AppLink to={{ page: 'models' }} current={route.page === 'models'} onGo={props.onGo}>
          <Box size={16} aria-hidden /> Models
          {checking > 0 ? <span className="badge">{checking} in quarantine</span> : null}
        </AppLink>
        <AppLink to={{ page: 'settings' }} current={route.page === 'settings'} onGo={props.onGo}>
          <Settings size={16} aria-hidden /> Settings
        </AppLink>
        <AppLink to={{ page: 'system' }} current={route.page === 'system'} onGo={props.onGo}>
          <Activity size={16} aria-hidden /> System
        </AppLink>
      </nav>
    </aside>
  );
}

function History(props: { onGo: () => void }): ReactNode {
  const { list, listError } = useStore(chats);
  const now = useNow();
  if (list === null)
    return listError ? <p className="history-note">{listError}</p> : <p className="history-note">Loading…</p>;
  if (list.length === 0) return <p className="history-note">Your chats will appear here.</p>;
  return groupChats(list, now).map((group) => (
    <section key={group.label} aria-label={group.label}>
      <h2>{group.label}</h2>
      <ul>
        {group.chats.map((chat) => (
          <HistoryItem key={chat.id} chat={chat} onGo={props.onGo} />
        ))}
      </ul>
    </section>
  ));
}

function Results(props: { query: string; onGo: () => void }): ReactNode {
  const { results, error } = useSearch(props.query);
  if (error) return <p className="history-note">{error}</p>;
  if (results === null) return <p className="history-note">Searching…</p>;
  if (results.length === 0) return <p className="history-note">No chat mentions “{props.query.trim()}”.</p>;
  return (
    <section aria-label="Search results">
      <h2>
        {results.length} {results.length === 1 ? 'result' : 'results'}
      </h2>
      <ul>
        {results.map((chat) => (
          <li key={chat.id}>
            <AppLink to={{ page: 'chat', id: chat.id }} className="result" onGo={props.onGo}>
              <span className="result-title">
                <Marked text={chat.title} query={props.query} />
              </span>
              {chat.snippet ? (
                <span className="result-snippet">
                  <Marked text={chat.snippet} query={props.query} />
                </span>
              ) : null}
            </AppLink>
          </li>
        ))}
      </ul>
    </section>
  );
}

function HistoryItem(props: { chat: ChatEntry; onGo: () => void }): ReactNode {
  const { chat } = props;
  const route = useRoute();
  const streaming = useStore(chats).streams[chat.id] !== undefined;
  const [asking, setAsking] = useState<'rename' | 'delete' | null>(null);
  const current = route.page === 'chat' && route.id === chat.id;
  const title = chat.title || 'New chat';

  if (asking === 'rename') return <Rename chat={chat} onDone={() => setAsking(null)} />;
  return (
    <li className="history-item">
      <AppLink to={{ page: 'chat', id: chat.id }} current={current} onGo={props.onGo} title={title}>
        {streaming ? <span className="dot pulse" role="img" aria-label="Answer being written" /> : null}
        <span className="history-title">{title}</span>
      </AppLink>
      <Menu
        label={`Actions for ${title}`}
        buttonClass="icon-button history-menu"
        button={<Ellipsis size={15} aria-hidden />}
        align="end"
        items={[
          { label: 'Rename', icon: <Pencil size={15} />, onSelect: () => setAsking('rename') },
          {
            label: chat.pinned ? 'Unpin' : 'Pin',
            icon: chat.pinned ? <PinOff size={15} /> : <Pin size={15} />,
            onSelect: () => orSay(changeChat(chat.id, { pinned: !chat.pinned })),
          },
          {
            label: 'Export as Markdown',
            icon: <Download size={15} />,
            href: addressOf(endpoints.exportChat[1], { id: chat.id }),
          },
          { label: 'Delete', icon: <Trash2 size={15} />, danger: true, onSelect: () => setAsking('delete') },
        ]}
      />
      {asking === 'delete' ? (
        <Confirm
          title="Delete this chat?"
          action="Delete chat"
          onClose={() => setAsking(null)}
          onConfirm={async () => {
            await removeChat(chat.id);
            if (current) navigate({ page: 'chat', id: null }, 'replace');
          }}
        >
          <p>“{title}” and all its messages will be deleted. This cannot be undone.</p>
        </Confirm>
      ) : null}
    </li>
  );
}

function Rename(props: { chat: ChatEntry; onDone: () => void }): ReactNode {
  const [title, setTitle] = useState(props.chat.title);
  const save = (): void => {
    const next = title.trim();
    props.onDone();
    if (next !== '' && next !== props.chat.title) orSay(changeChat(props.chat.id, { title: next }));
  };
  return (
    <li className="history-item">
      <input
        className="rename"
        aria-label="Chat title"
        value={title}
        maxLength={200}
        // biome-ignore lint/a11y/noAutofocus: the person just chose to rename
        autoFocus
        onFocus={(event) => event.target.select()}
        onChange={(event) => setTitle(event.target.value)}
        onBlur={save}
        onKeyDown={(event) => {
          if (event.key === 'Enter') save();
          if (event.key === 'Escape') {
            event.stopPropagation();
            props.onDone();
          }
        }}
      />
    </li>
  );
}

function orSay(promise: Promise<unknown>): void {
  promise.catch((error: unknown) => say(messageOf(error), 'bad'));
}
