import type { Chat, ChatMessage } from '@secai/contracts';
import { ArrowDown } from 'lucide-react';
import { type ReactNode, useCallback, useEffect, useMemo, useRef, useState } from 'react';
import { ApiError, messageOf } from '../api.ts';
import { Composer } from '../components/composer.tsx';
import { Logo } from '../components/logo.tsx';
import {
  AssistantMessage,
  loadMarkdown,
  type MessageActions,
  PendingMessage,
  UserMessage,
  Waiting,
} from '../components/message.tsx';
import { AppLink } from '../components/sidebar.tsx';
import { useTitle } from '../lib/hooks.ts';
import { draftOf, keepDraft, rememberModel } from '../lib/prefs.ts';
import { navigate } from '../lib/router.ts';
import { useStore } from '../lib/store.ts';
import { branchTo, siblingsOf } from '../lib/tree.ts';
import { useFollow } from '../lib/use-follow.ts';
import {
  type ActiveStream,
  chats,
  type Failure,
  openChat,
  regenerate,
  sendMessage,
  showVersion,
  startChat,
  stopAnswer,
} from '../state/chats.ts';
import { availableModels, models, refreshModels } from '../state/models.ts';
import { adoptOptions, chatOptions, modelFor, optionsKey } from '../state/options.ts';
import { say } from '../state/toasts.ts';

// Asked for at once, so that the first answer does not wait for it.
void loadMarkdown();

const suggestions = [
  { title: 'Explain something', text: 'Explain how rainbows form, in simple words.' },
  { title: 'Write a message', text: 'Write a short, friendly message asking a neighbour to water my plants.' },
  { title: 'Find ideas', text: 'Give me five ideas for a quiet weekend at home.' },
  { title: 'Work with text', text: 'Summarise this text in three sentences:\n\n' },
];

/** One conversation, or the start of a new one (`id` null). */
export function ChatPage(props: { id: string | null }): ReactNode {
  const { id } = props;
  const state = useStore(chats);
  const chat = id === null ? undefined : state.open[id];
  const active = id === null ? undefined : state.streams[id];
  const [error, setError] = useState<ApiError | null>(null);
  useTitle(chat?.title ?? '');

  useEffect(() => {
    setError(null);
    if (id === null) return;
    let current = true;
    openChat(id).catch((thrown: unknown) => {
      if (current && thrown instanceof ApiError) setError(thrown);
    });
    return () => {
      current = false;
    };
  }, [id]);

  usePolling(chat, active);

  const answering = active !== undefined;
  // biome-ignore lint/correctness/useExhaustiveDependencies: the engine's state changes with the beginning and end of an answer
  useEffect(() => void refreshModels(), [answering]);

  if (id !== null && !chat && error)
    return (
      <div className="empty">
        <h1>{error.status === 404 ? 'This chat does not exist' : 'This chat could not be opened'}</h1>
        <p>{error.status === 404 ? 'It may have been deleted.' : error.message}</p>
        <AppLink to={{ page: 'chat', id: null }} className="button">
          New chat
        </AppLink>
      </div>
    );
  return (
    <Conversation
      key={id ?? 'new'}
      id={id}
      chat={chat}
      active={active}
      failure={id ? (state.failures[id] ?? null) : null}
    />
  );
}

/** An answer that another window receives is read from the store until it is finished. */
function usePolling(chat: Chat | undefined, active: ActiveStream | undefined): void {
  const elsewhere = !active && chat?.messages.some((message) => message.state === 'streaming') === true;
  const id = chat?.id;
  useEffect(() => {
    if (!elsewhere || id === undefined) return;
    const timer = setInterval(() => void openChat(id).catch(() => undefined), 1500);
    return () => clearInterval(timer);
  }, [elsewhere, id]);
}

function Conversation(props: {
  id: string | null;
  chat: Chat | undefined;
  active: ActiveStream | undefined;
  failure: Failure | null;
}): ReactNode {
  const { id, chat, active, failure } = props;
  const modelsState = useStore(models);
  const chosen = useStore(chatOptions)[optionsKey(id)] ?? {};
  const available = availableModels(modelsState);
  const model = modelFor(chosen.model, chat?.model ?? null, available);
  const [text, setText] = useState(() => draftOf(id));
  const [starting, setStarting] = useState<string | null>(null);
  const field = useRef<HTMLTextAreaElement>(null);
  const systemPrompt = chat?.system_prompt ?? chosen.systemPrompt ?? '';

  const branch = useMemo(() => {
    if (!chat) return [];
    const shown = branchTo(chat.messages, chat.head_id);
    if (!active?.pending) return shown;
    // What is being sent replaces the messages after its parent.
    const { parentId } = active.pending;
    return parentId === null ? [] : shown.slice(0, shown.findIndex((message) => message.id === parentId) + 1);
  }, [chat, active?.pending]);
  const follow = useFollow(branch.length > 0, active?.startedAt ?? null);

  const write = useCallback(
    (next: string) => {
      setText(next);
      keepDraft(id, next);
    },
    [id],
  );

  const deliver = async (content: string, parentId: string | null): Promise<void> => {
    if (model === null) return;
    rememberModel(model);
    let chatId = id;
    try {
      if (chatId === null) {
        setStarting(content);
        chatId = (await startChat(model, systemPrompt)).id;
        adoptOptions(chatId);
        navigate({ page: 'chat', id: chatId }, 'push');
      }
      if (!(await sendMessage(chatId, content, parentId, answerOptions(model, chosen)))) {
        giveBack(chatId, content);
        void refreshModels();
      }
    } catch (error) {
      setStarting(null);
      say(messageOf(error), 'bad');
      giveBack(chatId, content);
    }
  };
  /** A message the server did not take goes back into the composer, unless something else was written meanwhile. */
  const giveBack = (chatId: string | null, content: string): void => {
    if (draftOf(chatId) !== '') return;
    keepDraft(chatId, content);
    if (chatId === id) setText(content);
    else dispatchEvent(new CustomEvent('secai:draft', { detail: chatId }));
  };
  useEffect(() => {
    const onDraft = (event: Event): void => {
      if (event instanceof CustomEvent && event.detail === id) setText(draftOf(id));
    };
    addEventListener('secai:draft', onDraft);
    return () => removeEventListener('secai:draft', onDraft);
  }, [id]);

  const send = (): void => {
    const content = text;
    write('');
    void deliver(content, branch.at(-1)?.id ?? null);
  };
  const stop = useCallback(() => {
    if (id !== null) void stopAnswer(id);
  }, [id]);
  const actions = useStableActions({
    edit: (message, content) => void deliver(content, message.parent_id),
    again: (message) => {
      if (id === null || model === null) return;
      void regenerate(id, message.id, answerOptions(model, chosen));
    },
    show: (messageId) => {
      if (id !== null) showVersion(id, messageId).catch((error: unknown) => say(messageOf(error), 'bad'));
    },
  });
  useShortcuts(field, active !== undefined, stop);

  const empty = branch.length === 0 && !active && starting === null;
  const composer = (
    <Composer
      chatId={id}
      model={model}
      systemPrompt={systemPrompt}
      text={text}
      onText={write}
      onSend={send}
      onStop={stop}
      streaming={active !== undefined || starting !== null}
      stopping={active?.stopping ?? false}
      field={field}
    />
  );
  const pick = (suggestion: string): void => {
    write(suggestion);
    field.current?.focus();
  };
  return (
    <div className={`chat ${empty && id === null ? 'chat-empty' : ''}`}>
      <h1 className="sr-only">{chat?.title || 'New chat'}</h1>
      <div className="chat-scroll" ref={follow.box}>
        <div className="column" ref={follow.content}>
          {empty && id === null ? <Start hasModel={model !== null} loaded={modelsState.loaded} onPick={pick} /> : null}
          <div role="log" aria-label="Conversation" aria-live="polite" aria-busy={active !== undefined}>
            {branch.map((message) => (
              <OneMessage
                key={message.id}
                message={message}
                all={chat?.messages ?? []}
                active={active}
                failure={message.id === failure?.messageId ? failure.reason : null}
                actions={actions}
              />
            ))}
            {starting !== null && id === null ? <PendingMessage content={starting} /> : null}
            {active?.pending ? <PendingMessage content={active.pending.content} /> : null}
          </div>
          {starting !== null || (active && active.assistantId === null) ? <Waiting /> : null}
          {!active && branch.at(-1)?.role === 'user' ? (
            <Unanswered
              onAgain={() => {
                const last = branch.at(-1);
                if (last) void deliver(last.content, last.parent_id);
              }}
            />
          ) : null}
        </div>
      </div>
      <div className="dock">
        {follow.away ? (
          <button type="button" className="jump" onClick={follow.toEnd}>
            <ArrowDown size={15} aria-hidden /> Jump to latest
          </button>
        ) : null}
        <div className="column">
          {failure?.messageId === null && !active ? (
            <p className="form-error refusal" role="alert">
              {failure.reason}
            </p>
          ) : null}
          {composer}
          <p className="composer-note">Answers can be wrong. Check what matters.</p>
        </div>
      </div>
      <span className="sr-only" role="status">
        {active ? 'Answer being written' : ''}
      </span>
    </div>
  );
}

function answerOptions(model: string, chosen: { temperature?: number; max_tokens?: number }) {
  return {
    model,
    ...(chosen.temperature === undefined ? {} : { temperature: chosen.temperature }),
    ...(chosen.max_tokens === undefined ? {} : { max_tokens: chosen.max_tokens }),
  };
}

/** The same object for the life of the component, so that finished messages are not drawn again for each word. */
function useStableActions(actions: MessageActions): MessageActions {
  const latest = useRef(actions);
  useEffect(() => {
    latest.current = actions;
  });
  return useMemo(
    () => ({
      edit: (message, content) => latest.current.edit(message, content),
      again: (message) => latest.current.again(message),
      show: (messageId) => latest.current.show(messageId),
    }),
    [],
  );
}

function useShortcuts(field: { current: HTMLTextAreaElement | null }, streaming: boolean, stop: () => void): void {
  useEffect(() => {
    const onKey = (event: KeyboardEvent): void => {
      if (event.defaultPrevented || document.querySelector('dialog[open], [popover]:popover-open')) return;
      const typing = event.target instanceof HTMLElement && event.target.closest('input, textarea, select') !== null;
      if (event.key === 'Escape' && streaming) stop();
      else if (event.key === '/' && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
        event.preventDefault();
        field.current?.focus();
      }
    };
    addEventListener('keydown', onKey);
    return () => removeEventListener('keydown', onKey);
  }, [field, streaming, stop]);
}

function OneMessage(props: {
  message: ChatMessage;
  all: readonly ChatMessage[];
  active: ActiveStream | undefined;
  failure: string | null;
  actions: MessageActions;
}): ReactNode {
  const { message, all, active } = props;
  const versionList = siblingsOf(all, message)
    .map((sibling) => sibling.id)
    .join(' ');
  const versions = useMemo(() => versionList.split(' '), [versionList]);
  const common = { message, versions, busy: active !== undefined, actions: props.actions };
  if (message.role === 'user') return <UserMessage {...common} />;
  const live = active?.assistantId === message.id ? active.live : null;
  return <AssistantMessage {...common} live={live} failure={props.failure} />;
}

function Unanswered(props: { onAgain: () => void }): ReactNode {
  return (
    <div className="cut-short interrupted">
      <span>This message has no answer.</span>
      <button type="button" className="button small" onClick={props.onAgain}>
        Try again
      </button>
    </div>
  );
}

function Start(props: { hasModel: boolean; loaded: boolean; onPick: (text: string) => void }): ReactNode {
  if (!props.loaded) return null;
  if (!props.hasModel)
    return (
      <div className="start">
        <Logo size={48} />
        <p className="start-title">Bring a model</p>
        <p className="start-text">
          There is no model on this machine yet. Import a GGUF file: it goes through seven checks in quarantine, and
          then you can chat with it here.
        </p>
        <AppLink to={{ page: 'models' }} className="button primary">
          Import a model
        </AppLink>
      </div>
    );
  return (
    <div className="start">
      <Logo size={48} />
      <p className="start-title">What is on your mind?</p>
      <ul className="suggestions" aria-label="Suggestions">
        {suggestions.map((suggestion) => (
          <li key={suggestion.title}>
            <button type="button" onClick={() => props.onPick(suggestion.text)}>
              <strong>{suggestion.title}</strong>
              <span>{suggestion.text.trim()}</span>
            </button>
          </li>
        ))}
      </ul>
    </div>
  );
}
