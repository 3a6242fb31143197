import { ArrowUp, ChevronDown, SlidersHorizontal, Square } from 'lucide-react';
import { type KeyboardEvent, type ReactNode, type RefObject, useEffect, useId, useLayoutEffect, useState } from 'react';
import { messageOf } from '../api.ts';
import { bytes, parameters } from '../lib/format.ts';
import { rememberModel } from '../lib/prefs.ts';
import { navigate } from '../lib/router.ts';
import { useStore } from '../lib/store.ts';
import { changeChat } from '../state/chats.ts';
import { availableModels, type Model, models } from '../state/models.ts';
import { type ChatOptions, changeOptions, chatOptions, optionsKey } from '../state/options.ts';
import { say } from '../state/toasts.ts';
import { Menu, Popover } from './menu.tsx';

const tallest = 320;

/** The one place to write: text, model, options, send and stop. */
export function Composer(props: {
  chatId: string | null;
  model: string | null;
  systemPrompt: string;
  text: string;
  onText: (text: string) => void;
  onSend: () => void;
  onStop: () => void;
  streaming: boolean;
  stopping: boolean;
  field: RefObject<HTMLTextAreaElement | null>;
}): ReactNode {
  const available = availableModels(useStore(models));
  const canSend = props.text.trim() !== '' && props.model !== null && !props.streaming;

  // biome-ignore lint/correctness/useExhaustiveDependencies: the height follows the text
  useLayoutEffect(() => {
    const field = props.field.current;
    if (!field) return;
    field.style.height = 'auto';
    field.style.height = `${Math.min(field.scrollHeight, tallest)}px`;
  }, [props.text, props.field]);

  useEffect(() => {
    if (matchMedia('(pointer: fine)').matches) props.field.current?.focus();
  }, [props.field]);

  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key !== 'Enter' || event.shiftKey || event.nativeEvent.isComposing) return;
    if (matchMedia('(pointer: coarse)').matches) return;
    event.preventDefault();
    if (canSend) props.onSend();
  };

  return (
    <form
      className="composer"
      aria-label="Write a message"
      onSubmit={(event) => {
        event.preventDefault();
        if (canSend) props.onSend();
      }}
    >
      <textarea
        ref={props.field}
        rows={1}
        value={props.text}
        aria-label="Message"
        placeholder={props.model === null ? 'Add a model to begin' : 'Ask anything'}
        maxLength={200_000}
        onChange={(event) => props.onText(event.target.value)}
        onKeyDown={onKeyDown}
      />
      <div className="composer-row">
        <ModelPicker chatId={props.chatId} model={props.model} available={available} />
        <OptionsButton chatId={props.chatId} systemPrompt={props.systemPrompt} />
        <span className="composer-space" />
        {props.streaming ? (
          <button
            type="button"
            className="send stop"
            aria-label="Stop"
            title="Stop (Esc)"
            disabled={props.stopping}
            onClick={props.onStop}
          >
            <Square size={13} fill="currentColor" aria-hidden />
          </button>
        ) : (
          <button type="submit" className="send" aria-label="Send" title="Send (Enter)" disabled={!canSend}>
            <ArrowUp size={18} aria-hidden />
          </button>
        )}
      </div>
    </form>
  );
}

function ModelPicker(props: { chatId: string | null; model: string | null; available: readonly Model[] }): ReactNode {
  if (props.available.length === 0)
    return (
      <button type="button" className="chip" onClick={() => navigate({ page: 'models' })}>
        Add a model…
      </button>
    );
  return (
    <Menu
      label={`Model: ${props.model ?? 'none'}`}
      heading="Answer with"
      buttonClass="chip model-chip"
      side="above"
      button={
        <>
          <span className="chip-text">{props.model}</span>
          <ChevronDown size={14} aria-hidden />
        </>
      }
      items={[
        ...props.available.map((model) => ({
          label: model.name,
          detail: factsLine(model),
          checked: model.name === props.model,
          onSelect: () => {
            rememberModel(model.name);
            changeOptions(props.chatId, { model: model.name });
          },
        })),
        { label: 'Manage models…', onSelect: () => navigate({ page: 'models' }) },
      ]}
    />
  );
}

function factsLine(model: Model): string {
  const { facts } = model;
  return [
    facts.parameters === undefined ? null : parameters(facts.parameters),
    facts.quantization ?? null,
    bytes(model.size),
  ]
    .filter((part) => part !== null)
    .join(' · ');
}

function OptionsButton(props: { chatId: string | null; systemPrompt: string }): ReactNode {
  const chosen = useStore(chatOptions)[optionsKey(props.chatId)] ?? {};
  const changed = props.systemPrompt !== '' || chosen.temperature !== undefined || chosen.max_tokens !== undefined;
  return (
    <Popover
      label="Answer options"
      kind="dialog"
      className="options"
      buttonClass={`chip icon-chip ${changed ? 'changed' : ''}`}
      side="above"
      button={<SlidersHorizontal size={15} aria-hidden />}
    >
      {() => <Options chatId={props.chatId} systemPrompt={props.systemPrompt} chosen={chosen} />}
    </Popover>
  );
}

function Options(props: { chatId: string | null; systemPrompt: string; chosen: ChatOptions }): ReactNode {
  const id = useId();
  const { chatId, chosen } = props;
  const [prompt, setPrompt] = useState(props.systemPrompt);
  const saved = prompt === props.systemPrompt;
  const save = (): void => {
    if (saved) return;
    if (chatId === null) changeOptions(null, { systemPrompt: prompt });
    else changeChat(chatId, { system_prompt: prompt }).catch((error: unknown) => say(messageOf(error), 'bad'));
  };
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: keeps Enter in a field from sending the message
    <div
      className="options-fields"
      onKeyDown={(event) => {
        if (event.key === 'Enter' && event.target instanceof HTMLInputElement) event.preventDefault();
      }}
    >
      <label htmlFor={`${id}-prompt`}>System prompt</label>
      <textarea
        id={`${id}-prompt`}
        rows={4}
        value={prompt}
        maxLength={32_768}
        placeholder="How the model should behave in this chat"
        onChange={(event) => setPrompt(event.target.value)}
        onBlur={save}
      />
      <div className="option-row">
        <label htmlFor={`${id}-temperature`}>Temperature</label>
        <output htmlFor={`${id}-temperature`}>{chosen.temperature?.toFixed(1) ?? 'model default'}</output>
      </div>
      <input
        id={`${id}-temperature`}
        type="range"
        min={0}
        max={2}
        step={0.1}
        value={chosen.temperature ?? 0.8}
        aria-valuetext={chosen.temperature?.toFixed(1) ?? 'model default'}
        onChange={(event) => changeOptions(chatId, { temperature: Number(event.target.value) })}
      />
      <div className="option-ends" aria-hidden="true">
        <span>steady</span>
        <span>varied</span>
      </div>
      <div className="option-row">
        <label htmlFor={`${id}-tokens`}>Longest answer</label>
        <span className="with-unit">
          <input
            id={`${id}-tokens`}
            type="number"
            min={1}
            max={32_768}
            placeholder="no limit"
            value={chosen.max_tokens ?? ''}
            onChange={(event) => {
              const tokens = Math.round(Number(event.target.value));
              changeOptions(chatId, {
                max_tokens: event.target.value === '' || !(tokens >= 1) ? undefined : Math.min(tokens, 32_768),
              });
            }}
          />{' '}
          tokens
        </span>
      </div>
      <button
        type="button"
        className="link-button"
        onClick={() => changeOptions(chatId, { temperature: undefined, max_tokens: undefined })}
      >
        Back to the model’s defaults
      </button>
    </div>
  );
}
