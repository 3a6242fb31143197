import { Check } from 'lucide-react';
import { type KeyboardEvent, type ReactNode, useEffect, useId, useRef, useState } from 'react';

export interface MenuItem {
  label: string;
  icon?: ReactNode;
  detail?: string;
  danger?: boolean;
  /** Set for a choice among several. */
  checked?: boolean;
  disabled?: boolean;
  /** Opens an address (a download) instead of acting. */
  href?: string;
  onSelect?: () => void;
}

/** A popover anchored to its button. It lives in the browser's top layer, closes on Escape or a click elsewhere. */
export function Popover(props: {
  label: string;
  className?: string;
  buttonClass: string;
  button: ReactNode;
  kind: 'menu' | 'dialog';
  side?: 'below' | 'above';
  align?: 'start' | 'end';
  disabled?: boolean;
  children: (close: () => void) => ReactNode;
}): ReactNode {
  const id = useId();
  const [open, setOpen] = useState(false);
  const anchor = useRef<HTMLButtonElement>(null);
  const panel = useRef<HTMLDivElement>(null);

  useEffect(() => {
    const element = panel.current;
    if (!element) return;
    const onToggle = (event: ToggleEvent): void => {
      setOpen(event.newState === 'open');
      if (event.newState === 'open' && anchor.current) place(element, anchor.current, props.side, props.align);
    };
    element.addEventListener('toggle', onToggle);
    return () => element.removeEventListener('toggle', onToggle);
  }, [props.side, props.align]);

  useEffect(() => {
    const element = panel.current;
    if (!open || !element || !anchor.current) return;
    const button = anchor.current;
    place(element, button, props.side, props.align);
    const focusable = element.querySelector<HTMLElement>(
      '[aria-checked="true"], [role^="menuitem"]:not([disabled]), input, textarea, button',
    );
    focusable?.focus();
    const hide = (): void => element.hidePopover();
    addEventListener('resize', hide);
    return () => removeEventListener('resize', hide);
  }, [open, props.side, props.align]);

  const close = (): void => {
    panel.current?.hidePopover();
    anchor.current?.focus();
  };
  return (
    <>
      <button
        ref={anchor}
        type="button"
        className={props.buttonClass}
        aria-label={props.label}
        title={props.label}
        aria-haspopup={props.kind}
        aria-expanded={open}
        aria-controls={id}
        disabled={props.disabled}
        popoverTarget={id}
      >
        {props.button}
      </button>
      {/* biome-ignore lint/a11y/useAriaPropsSupportedByRole: its role is menu or dialog, and both take a label */}
      <div
        ref={panel}
        id={id}
        popover="auto"
        role={props.kind}
        aria-label={props.label}
        className={`popover ${props.className ?? ''}`}
      >
        {open ? props.children(close) : null}
      </div>
    </>
  );
}

function place(
  panel: HTMLElement,
  anchor: HTMLElement,
  side: 'below' | 'above' = 'below',
  align: 'start' | 'end' = 'start',
): void {
  const box = anchor.getBoundingClientRect();
  const { offsetWidth: width, offsetHeight: height } = panel;
  const gap = 6;
  const edge = 8;
  const left = align === 'start' ? box.left : box.right - width;
  const fitsBelow = box.bottom + gap + height <= innerHeight - edge;
  const fitsAbove = box.top - gap - height >= edge;
  const below = side === 'below' ? fitsBelow || !fitsAbove : !fitsAbove;
  const top = below ? box.bottom + gap : box.top - gap - height;
  panel.style.left = `${Math.max(edge, Math.min(left, innerWidth - width - edge))}px`;
  panel.style.top = `${Math.max(edge, Math.min(top, innerHeight - height - edge))}px`;
}

/** A button with a menu of actions or choices; arrow keys move, Enter selects. */
export function Menu(props: {
  label: string;
  buttonClass: string;
  button: ReactNode;
  items: readonly MenuItem[];
  heading?: string;
  side?: 'below' | 'above';
  align?: 'start' | 'end';
  disabled?: boolean;
}): ReactNode {
  return (
    <Popover {...props} kind="menu" className="menu">
      {(close) => (
        // biome-ignore lint/a11y/noStaticElementInteractions: the arrow keys of the menu that wraps it
        <div onKeyDown={moveFocus}>
          {props.heading ? <div className="menu-heading">{props.heading}</div> : null}
          {props.items.map((item) => (
            <OneItem key={item.label} item={item} close={close} />
          ))}
        </div>
      )}
    </Popover>
  );
}

function OneItem(props: { item: MenuItem; close: () => void }): ReactNode {
  const { item, close } = props;
  const content = (
    <>
      {item.icon ? <span className="menu-icon">{item.icon}</span> : null}
      <span className="menu-text">
        {item.label}
        {item.detail ? <small>{item.detail}</small> : null}
      </span>
      {item.checked ? <Check size={15} aria-hidden className="menu-check" /> : null}
    </>
  );
  if (item.href !== undefined)
    return (
      <a role="menuitem" className="menu-item" href={item.href} download onClick={close}>
        {content}
      </a>
    );
  return (
    <button
      type="button"
      {...(item.checked === undefined
        ? { role: 'menuitem' as const }
        : { role: 'menuitemradio' as const, 'aria-checked': item.checked })}
      disabled={item.disabled}
      className={`menu-item ${item.danger ? 'danger' : ''}`}
      onClick={() => {
        close();
        item.onSelect?.();
      }}
    >
      {content}
    </button>
  );
}

function moveFocus(event: KeyboardEvent<HTMLElement>): void {
  const items = [...event.currentTarget.querySelectorAll<HTMLElement>('[role^="menuitem"]:not([disabled])')];
  const at = items.indexOf(document.activeElement as HTMLElement);
  const next =
    event.key === 'ArrowDown'
      ? (at + 1) % items.length
      : event.key === 'ArrowUp'
        ? (at - 1 + items.length) % items.length
        : event.key === 'Home'
          ? 0
          : event.key === 'End'
            ? items.length - 1
            : null;
  if (next === null) return;
  event.preventDefault();
  items[next]?.focus();
}
