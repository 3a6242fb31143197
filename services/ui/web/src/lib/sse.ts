/** One server-sent event. `event` is `message` when the stream names none. */
export interface ServerEvent {
  event: string;
  data: string;
}

/**
 * Turns the bytes of a `text/event-stream` into events, whatever the chunk borders: they may fall inside a UTF-8
 * character, a CRLF or a field. An unfinished event at the end of the stream is dropped, as the HTML standard asks.
 */
export class EventParser {
  readonly #decoder = new TextDecoder();
  #rest = '';
  #event = '';
  #data: string[] = [];
  /** The last chunk ended in CR, so an LF at the start of the next one belongs to it. */
  #skipLineFeed = false;

  push(bytes: Uint8Array): ServerEvent[] {
    return this.#read(this.#decoder.decode(bytes, { stream: true }));
  }

  #read(text: string): ServerEvent[] {
    const events: ServerEvent[] = [];
    let start = 0;
    if (this.#skipLineFeed && text.length > 0) {
      if (text[0] === '\n') start = 1;
      this.#skipLineFeed = false;
    }
    for (let i = start; i < text.length; i++) {
      const char = text[i];
      if (char !== '\n' && char !== '\r') continue;
      this.#line(this.#rest + text.slice(start, i), events);
      this.#rest = '';
      if (char === '\r') {
        if (i + 1 === text.length) this.#skipLineFeed = true;
        else if (text[i + 1] === '\n') i++;
      }
      start = i + 1;
    }
    this.#rest += text.slice(start);
    return events;
  }

  #line(line: string, events: ServerEvent[]): void {
    if (line === '') {
      if (this.#data.length > 0) events.push({ event: this.#event || 'message', data: this.#data.join('\n') });
      this.#event = '';
      this.#data = [];
      return;
    }
    const colon = line.indexOf(':');
    const field = colon < 0 ? line : line.slice(0, colon);
    let value = colon < 0 ? '' : line.slice(colon + 1);
    if (value.startsWith(' ')) value = value.slice(1);
    if (field === 'event') this.#event = value;
    else if (field === 'data') this.#data.push(value);
  }
}

/** The events of a response body, until it ends. Throws when the connection breaks. */
export async function* readEvents(body: ReadableStream<Uint8Array>): AsyncGenerator<ServerEvent> {
  const parser = new EventParser();
  const reader = body.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield* parser.push(value);
    }
  } finally {
    reader.releaseLock();
  }
}
