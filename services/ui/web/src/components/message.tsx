import type { ChatMessage } from '@secai/contracts';
import { ChevronLeft, ChevronRight, Pencil, RefreshCw, ShieldCheck } from 'lucide-react';
import { lazy, memo, type ReactNode, Suspense, useEffect, useRef, useState } from 'react';
import { duration, shortHash } from '../lib/format.ts';
import { createStore, useStore } from '../lib/store.ts';
import { splitThinking } from '../markdown/blocks.ts';
import type { LiveText } from '../state/live-text.ts';
import { models } from '../state/models.ts';
import { CopyButton } from './copy-button.tsx';
import { Popover } from './menu.tsx';

export const loadMarkdown = () => import('../markdown/markdown.tsx');
const Markdown = lazy(() => loadMarkdown().then((module) => ({ default: module.Markdown })));

export interface MessageActions {
  edit: (message: ChatMessage, content: string) => void;
  again: (message: ChatMessage) => void;
  show: (messageId: string) => void;
}

export const UserMessage = memo(function UserMessage(props: {
  message: ChatMessage;
  versions: readonly string[];
  busy: boolean;
  actions: MessageActions;
}): ReactNode {
  const { message, actions } = props;
  const [editing, setEditing] = useState(false);
  if (editing)
    return (
      <article className="message user" aria-label="Your message">
        <EditForm
          content={message.content}
          busy={props.busy}
          onCancel={() => setEditing(false)}
          onSend={(content) => {
            setEditing(false);
            actions.edit(message, content);
          }}
        />
      </article>
    );
  return (
    <article className="message user" aria-label="Your message">
      <div className="bubble">{message.content}</div>
      <div className="message-bar">
        <Versions message={message} versions={props.versions} busy={props.busy} show={actions.show} />
        <CopyButton text={message.content} label="Copy message" />
        <button
          type="button"
          className="icon-button"
          aria-label="Edit message"
          title="Edit"
          disabled={props.busy}
          onClick={() => setEditing(true)}
        >
          <Pencil size={15} aria-hidden />
        </button>
      </div>
    </article>
  );
});

/** A sent message that the server has not confirmed yet. */
export function PendingMessage(props: { content: string }): ReactNode {
  return (
    <article className="message user" aria-label="Your message">
      <div className="bubble pending">{props.content}</div>
    </article>
  );
}

function EditForm(props: {
  content: string;
  busy: boolean;
  onSend: (content: string) => void;
  onCancel: () => void;
}): ReactNode {
  const [content, setContent] = useState(props.content);
  const field = useRef<HTMLTextAreaElement>(null);
  useEffect(() => {
    const element = field.current;
    element?.focus();
    element?.setSelectionRange(element.value.length, element.value.length);
  }, []);
  const ready = content.trim() !== '' && !props.busy;
  return (
    <form
      className="edit"
      onSubmit={(event) => {
        event.preventDefault();
        if (ready) props.onSend(content);
      }}
    >
      <textarea
        ref={field}
        aria-label="Edit message"
        rows={Math.min(12, Math.max(2, content.split('\n').length))}
        value={content}
        onChange={(event) => setContent(event.target.value)}
        onKeyDown={(event) => {
          if (event.key === 'Escape') {
            event.stopPropagation();
            props.onCancel();
          }
          if (event.key === 'Enter' && !event.shiftKey && !event.nativeEvent.isComposing) {
            event.preventDefault();
            if (ready) props.onSend(content);
          }
        }}
      />
      <div className="edit-actions">
        <span className="field-hint">The present version stays; you can switch back.</span>
        <button type="button" className="button small" onClick={props.onCancel}>
          Cancel
        </button>
        <button type="submit" className="button small primary" disabled={!ready}>
          Send
        </button>
      </div>
    </form>
  );
}

export const AssistantMessage = memo(function AssistantMessage(props: {
  message: ChatMessage;
  versions: readonly string[];
  /** Set while this page receives the answer. */
  live: LiveText | null;
  busy: boolean;
  failure: string | null;
  actions: MessageActions;
}): ReactNode {
  const { message, actions, live } = props;
  const cutShort = live === null && (message.state === 'stopped' || message.state === 'interrupted');
  return (
    <article className="message assistant" aria-label="Answer" aria-busy={live !== null}>
      <Body live={live} message={message} />
      {cutShort ? (
        <div className={`cut-short ${message.state}`}>
          <span>
            {message.state === 'stopped'
              ? 'You stopped this answer.'
              : (props.failure ?? 'This answer was interrupted before it was finished.')}
          </span>
          <button type="button" className="button small" disabled={props.busy} onClick={() => actions.again(message)}>
            Try again
          </button>
        </div>
      ) : null}
      {live ? null : (
        <div className="message-bar">
          <Versions message={message} versions={props.versions} busy={props.busy} show={actions.show} />
          <CopyButton text={message.content} label="Copy answer" />
          <button
            type="button"
            className="icon-button"
            aria-label="Regenerate answer"
            title="Answer again"
            disabled={props.busy}
            onClick={() => actions.again(message)}
          >
            <RefreshCw size={15} aria-hidden />
          </button>
          <Facts message={message} />
        </div>
      )}
    </article>
  );
});

const noText = createStore('');

/** One place in the tree for the growing and the finished text, so that the end of an answer draws nothing anew. */
function Body(props: { live: LiveText | null; message: ChatMessage }): ReactNode {
  const growing = useStore(props.live?.shown ?? noText);
  const content = props.live ? growing : props.message.content;
  const writing = props.live !== null || props.message.state === 'streaming';
  if (content === '' && writing) return <Waiting />;
  return <Answer content={content} writing={writing} />;
}

/** Shown until the first words arrive. Also stands in while a model loads, so after a while it says why it takes long. */
export function Waiting(): ReactNode {
  const [long, setLong] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setLong(true), 4000);
    return () => clearTimeout(timer);
  }, []);
  return (
    <p className="awaiting">
      <span className="dots" aria-hidden="true">
        <i />
        <i />
        <i />
      </span>
      <span className={long ? undefined : 'sr-only'}>
        {long ? 'Still working. A model’s first answer takes longest.' : 'Thinking…'}
      </span>
    </p>
  );
}

function Answer(props: { content: string; writing: boolean }): ReactNode {
  const { thinking, open, answer } = splitThinking(props.content);
  return (
    <>
      {thinking === null ? null : (
        <details className="thinking">
          <summary>{open && props.writing ? 'Thinking…' : 'Thought before answering'}</summary>
          <div className="thinking-text">{thinking}</div>
        </details>
      )}
      <Suspense fallback={<p className="plain">{answer}</p>}>
        <Markdown text={answer} live={props.writing} />
      </Suspense>
    </>
  );
}

function Versions(props: {
  message: ChatMessage;
  versions: readonly string[];
  busy: boolean;
  show: (messageId: string) => void;
}): ReactNode {
  const { versions } = props;
  if (versions.length < 2) return null;
  const at = versions.indexOf(props.message.id);
  const before = versions[at - 1];
  const after = versions[at + 1];
  return (
    // biome-ignore lint/a11y/useSemanticElements: a fieldset is for form fields
    <div className="versions" role="group" aria-label="Versions">
      <button
        type="button"
        className="icon-button"
        aria-label="Previous version"
        disabled={props.busy || before === undefined}
        onClick={() => before && props.show(before)}
      >
        <ChevronLeft size={15} aria-hidden />
      </button>
      <span>
        {at + 1} / {versions.length}
      </span>
      <button
        type="button"
        className="icon-button"
        aria-label="Next version"
        disabled={props.busy || after === undefined}
        onClick={() => after && props.show(after)}
      >
        <ChevronRight size={15} aria-hidden />
      </button>
    </div>
  );
}

function Facts(props: { message: ChatMessage }): ReactNode {
  const { stats, model: name } = props.message;
  return (
    <span className="facts">
      {name === null ? null : <Provenance name={name} answeredAt={props.message.created_at} />}
      {stats === null ? null : (
        <span className="stats">
          {stats.completion_tokens} tokens · {stats.tokens_per_second.toFixed(1)} tok/s · first token{' '}
          {duration(stats.first_token_ms)}
        </span>
      )}
    </span>
  );
}

/** Which model wrote this, and what this machine knows about it. */
function Provenance(props: { name: string; answeredAt: string }): ReactNode {
  const model = useStore(models).models.find((other) => other.name === props.name);
  // A model that came later under the same name is not the one that answered.
  if (!model || Date.parse(model.promoted_at) > Date.parse(props.answeredAt)) return <span>{props.name}</span>;
  return (
    <Popover
      label={`About ${props.name}`}
      kind="dialog"
      className="provenance"
      buttonClass="provenance-button"
      side="above"
      button={
        <>
          <ShieldCheck size={13} aria-hidden /> {props.name}
        </>
      }
    >
      {() => (
        <dl>
          <dt>Written by</dt>
          <dd>{props.name}</dd>
          <dt>Passed quarantine</dt>
          <dd>{new Date(model.promoted_at).toLocaleString('en', { dateStyle: 'medium', timeStyle: 'short' })}</dd>
          <dt>Fingerprint</dt>
          <dd className="mono">
            {shortHash(model.sha256)} <CopyButton text={model.sha256} label="Copy fingerprint" />
          </dd>
          <dt>Signature</dt>
          <dd>{model.signature === 'valid' ? 'Valid' : 'None from the publisher'}</dd>
          <dt>Where</dt>
          <dd>On this machine</dd>
        </dl>
      )}
    </Popover>
  );
}
