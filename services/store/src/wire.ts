import { createServer, type Server, type Socket } from 'node:net';
import type { PGlite } from '@electric-sql/pglite';

/** Code of an SSLRequest and of a CancelRequest (PostgreSQL manual, 54.7 Message Formats). */
const SSL_REQUEST = 80877103;
const CANCEL_REQUEST = 80877102;
/** Nothing a service sends is near this; a length beyond it is no message. */
const MAX_MESSAGE = 64 * 1024 * 1024;
/** A client that holds a transaction open without a word for this long is cut, because all others wait for it. */
const IDLE_IN_TRANSACTION_MS = 30_000;

const QUERY = 0x51;
const SYNC = 0x53;
const TERMINATE = 0x58;
const READY_FOR_QUERY = 0x5a;

/**
 * Serves the one session of a PGlite to many clients (frontend/backend protocol 3.0). PGlite has one unnamed statement,
 * one portal and one transaction, so a client gets the session for a whole unit: all messages up to Sync or Query, and,
 * once a transaction is open, until it ends. (`@electric-sql/pglite-socket` 0.2.17 hands messages over one by one, so that
 * two clients' Parse and Bind mix, and its queue stands still after an error; our store tests show both.)
 */
export class WireServer {
  readonly #db: PGlite;
  readonly #server: Server;
  readonly #clients = new Set<Client>();
  readonly #waiting: Client[] = [];
  #owner: Client | null = null;

  constructor(db: PGlite) {
    this.#db = db;
    this.#server = createServer((socket) => this.#accept(socket));
  }

  listen(path: string): Promise<void> {
    return new Promise((resolve, reject) => this.#server.once('error', reject).listen(path, resolve));
  }

  /** Cuts all clients; what they had not committed is rolled back. */
  close(): Promise<void> {
    for (const client of this.#clients) client.socket.destroy();
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }

  #accept(socket: Socket): void {
    const client = new Client(socket);
    this.#clients.add(client);
    socket.on('timeout', () => socket.destroy()); // set only while it holds a transaction
    socket.on('data', (bytes) => {
      try {
        if (client.take(bytes)) this.#enqueue(client);
      } catch {
        socket.destroy();
      }
    });
    socket.on('error', () => socket.destroy());
    socket.once('close', () => {
      this.#clients.delete(client);
      const at = this.#waiting.indexOf(client);
      if (at >= 0) this.#waiting.splice(at, 1);
      if (this.#owner === client) {
        this.#db.execProtocolRawSync(queryMessage('ROLLBACK'));
        this.#release();
      }
    });
  }

  #enqueue(client: Client): void {
    if (this.#owner === client) {
      this.#run(client);
      return;
    }
    if (!this.#waiting.includes(client)) this.#waiting.push(client);
    if (this.#owner === null) this.#next();
  }

  /** Units run synchronously: while one runs, nothing else of this process does. */
  #next(): void {
    const client = this.#waiting.shift();
    if (!client) return;
    this.#owner = client;
    this.#run(client);
  }

  #run(client: Client): void {
    client.socket.setTimeout(0);
    for (let unit = client.units.shift(); unit; unit = client.units.shift()) {
      for (const message of unit) {
        const answer = this.#db.execProtocolRawSync(message);
        if (answer.length > 0) client.socket.write(answer);
        client.inTransaction = transactionStatus(answer) ?? client.inTransaction;
      }
      if (!client.inTransaction) break;
    }
    if (client.inTransaction) {
      client.socket.setTimeout(IDLE_IN_TRANSACTION_MS);
      return;
    }
    if (client.units.length > 0) this.#waiting.push(client);
    this.#release();
  }

  #release(): void {
    this.#owner = null;
    // Not recursive, so that a long queue cannot exhaust the stack, and new data is read in between.
    setImmediate(() => {
      if (this.#owner === null) this.#next();
    });
  }
}

/** One connection: cuts the byte stream into messages and messages into units. */
class Client {
  readonly socket: Socket;
  /** Complete units that have not run. */
  readonly units: Uint8Array[][] = [];
  inTransaction = false;
  #buffer: Buffer = Buffer.alloc(0);
  #unit: Uint8Array[] = [];
  #started = false;

  constructor(socket: Socket) {
    this.socket = socket;
  }

  /** Adds bytes; true when a unit is complete. Throws on what cannot be the protocol. */
  take(bytes: Buffer): boolean {
    this.#buffer = this.#buffer.length === 0 ? bytes : Buffer.concat([this.#buffer, bytes]);
    let complete = false;
    for (;;) {
      const prefix = this.#started ? 1 : 0;
      if (this.#buffer.length < prefix + 4) return complete;
      const length = this.#buffer.readInt32BE(prefix);
      if (length < 4 || length > MAX_MESSAGE) throw new Error('no protocol message');
      if (this.#buffer.length < prefix + length) return complete;
      const message = this.#buffer.subarray(0, prefix + length);
      this.#buffer = this.#buffer.subarray(prefix + length);
      complete = (this.#started ? this.#message(message) : this.#startup(message)) || complete;
    }
  }

  #startup(message: Buffer): boolean {
    if (message.length < 8) throw new Error('no startup message');
    const code = message.readInt32BE(4);
    if (code === SSL_REQUEST) {
      this.socket.write('N');
      return false;
    }
    if (code === CANCEL_REQUEST) {
      this.socket.end();
      return false;
    }
    this.#started = true;
    this.units.push([Uint8Array.from(message)]);
    return true;
  }

  #message(message: Buffer): boolean {
    const type = message[0];
    if (type === TERMINATE) {
      // Handing it on would end the one session of all.
      this.socket.end();
      return false;
    }
    this.#unit.push(Uint8Array.from(message));
    if (type !== QUERY && type !== SYNC) return false;
    this.units.push(this.#unit);
    this.#unit = [];
    return true;
  }
}

/** From the last ReadyForQuery of an answer: true inside a transaction (also a failed one), false outside, null when there is none. */
function transactionStatus(answer: Uint8Array): boolean | null {
  const at = answer.length - 6;
  if (at < 0 || answer[at] !== READY_FOR_QUERY || answer[at + 4] !== 5) return null;
  return answer[at + 5] !== 0x49;
}

function queryMessage(sql: string): Uint8Array {
  const text = Buffer.from(`${sql}\0`);
  const message = Buffer.alloc(5 + text.length);
  message[0] = QUERY;
  message.writeInt32BE(4 + text.length, 1);
  text.copy(message, 5);
  return message;
}
