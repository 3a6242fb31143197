import { Activity, Box, LogOut, MessageSquare, Moon, Settings, SquarePen, Sun } from 'lucide-react';
import { type KeyboardEvent, type ReactNode, useEffect, useId, useRef, useState } from 'react';
import { messageOf } from '../api.ts';
import { chooseTheme } from '../lib/prefs.ts';
import { navigate } from '../lib/router.ts';
import { useStore } from '../lib/store.ts';
import { useSearch } from '../lib/use-search.ts';
import { chats } from '../state/chats.ts';
import { logOut } from '../state/session.ts';
import { say } from '../state/toasts.ts';
import { Dialog } from './dialog.tsx';
import { Marked } from './marked.tsx';

interface Command {
  id: string;
  label: string;
  detail?: string | undefined;
  icon: ReactNode;
  run: () => void;
}

const commands: Command[] = [
  { id: 'new', label: 'New chat', icon: <SquarePen size={16} />, run: () => navigate({ page: 'chat', id: null }) },
  { id: 'models', label: 'Models', icon: <Box size={16} />, run: () => navigate({ page: 'models' }) },
  { id: 'settings', label: 'Settings', icon: <Settings size={16} />, run: () => navigate({ page: 'settings' }) },
  { id: 'system', label: 'System', icon: <Activity size={16} />, run: () => navigate({ page: 'system' }) },
  { id: 'light', label: 'Light theme', icon: <Sun size={16} />, run: () => chooseTheme('light') },
  { id: 'dark', label: 'Dark theme', icon: <Moon size={16} />, run: () => chooseTheme('dark') },
  {
    id: 'logout',
    label: 'Log out',
    icon: <LogOut size={16} />,
    run: () => void logOut().catch((error: unknown) => say(messageOf(error), 'bad')),
  },
];

/** Ctrl/Cmd-K: jump to a chat, a page or an action by typing. */
export function Palette(props: { onClose: () => void }): ReactNode {
  const id = useId();
  const list = useRef<HTMLDivElement>(null);
  const [query, setQuery] = useState('');
  const [active, setActive] = useState(0);
  const { list: all } = useStore(chats);
  const { results } = useSearch(query);
  const wanted = query.trim().toLowerCase();

  const found = wanted === '' ? (all ?? []).slice(0, 6) : (results ?? []).slice(0, 12);
  const items: Command[] = [
    ...commands.filter((command) => command.label.toLowerCase().includes(wanted)),
    ...found.map((chat) => ({
      id: chat.id,
      label: chat.title || 'New chat',
      detail: chat.snippet ?? undefined,
      icon: <MessageSquare size={16} />,
      run: () => navigate({ page: 'chat', id: chat.id }),
    })),
  ];
  const at = Math.min(active, Math.max(0, items.length - 1));

  useEffect(() => {
    list.current?.querySelectorAll('[role="option"]')[at]?.scrollIntoView({ block: 'nearest' });
  }, [at]);

  const run = (command: Command | undefined): void => {
    if (!command) return;
    props.onClose();
    command.run();
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key === 'Enter') run(items[at]);
    else if (event.key === 'ArrowDown') setActive((at + 1) % Math.max(1, items.length));
    else if (event.key === 'ArrowUp') setActive((at - 1 + items.length) % Math.max(1, items.length));
    else return;
    event.preventDefault();
  };
  return (
    <Dialog title="Go to" hideTitle className="palette" onClose={props.onClose}>
      <input
        role="combobox"
        aria-label="Search chats, pages and actions"
        aria-expanded="true"
        aria-controls={`${id}-list`}
        aria-activedescendant={items[at] ? `${id}-${items[at].id}` : undefined}
        placeholder="Search chats, pages and actions"
        value={query}
        autoFocus
        onChange={(event) => {
          setQuery(event.target.value);
          setActive(0);
        }}
        onKeyDown={onKeyDown}
      />
      <div id={`${id}-list`} role="listbox" aria-label="Results" className="palette-list" ref={list}>
        {items.length === 0 ? <p className="history-note">Nothing found.</p> : null}
        {items.map((item, index) => (
          // biome-ignore lint/a11y/useKeyWithClickEvents: the combobox above has the keyboard
          <div
            key={item.id}
            id={`${id}-${item.id}`}
            role="option"
            tabIndex={-1}
            aria-selected={index === at}
            className="palette-item"
            onPointerMove={() => setActive(index)}
            onClick={() => run(item)}
          >
            <span className="menu-icon" aria-hidden="true">
              {item.icon}
            </span>
            <span className="menu-text">
              <span>
                <Marked text={item.label} query={query} />
              </span>
              {item.detail ? (
                <small>
                  <Marked text={item.detail} query={query} />
                </small>
              ) : null}
            </span>
          </div>
        ))}
      </div>
      <p className="palette-keys" aria-hidden="true">
        <kbd>↑</kbd> <kbd>↓</kbd> choose <kbd>↵</kbd> open <kbd>esc</kbd> close
      </p>
    </Dialog>
  );
}
