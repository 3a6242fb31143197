import { Problem } from '@secai/contracts';
import type { Queries, Store } from '@secai/store';

/** SQLSTATE 53100, https://www.postgresql.org/docs/current/errcodes-appendix.html */
const DISK_FULL = '53100';
/** SQLSTATE 23503. */
const FOREIGN_KEY = '23503';

/** The store with its failures in the words of the wire: `dependency_unavailable` when it is gone, `storage_full` when its disk is. */
export function withProblems(store: Store): Store {
  const guard = async <T>(work: Promise<T>): Promise<T> => {
    try {
      return await work;
    } catch (error) {
      throw translate(error);
    }
  };
  const guarded = (queries: Queries): Queries => ({
    query: (sql, params) => guard(queries.query(sql, params)),
    one: (sql, params) => guard(queries.one(sql, params)),
  });
  return {
    ...guarded(store),
    transaction: (work) => guard(store.transaction((tx) => work(guarded(tx)))),
    ping: () => guard(store.ping()),
    close: () => store.close(),
  };
}

/** A row points at another one that is not, or no longer, there. */
export function isMissingReference(error: unknown): boolean {
  return (error as { code?: unknown } | null)?.code === FOREIGN_KEY;
}

function translate(error: unknown): unknown {
  if (error instanceof Problem) return error;
  const { code, message } = error as { code?: string; message: string };
  if (code === DISK_FULL)
    return new Problem('storage_full', 'the disk of the database is full; free some space and try again', {}, error);
  // Class 08: connection exception; 57P: the server is stopping or starting; E…: the socket's own errors.
  const gone =
    /^(08|57P|ECONN|ENOENT|EPIPE|ETIMEDOUT)/.test(code ?? '') ||
    /^(Connection terminated|timeout exceeded when trying to connect|Client has encountered a connection error)/.test(
      message,
    );
  return gone
    ? new Problem('dependency_unavailable', 'the database is not answering; try again in a moment', {}, error)
    : error;
}
