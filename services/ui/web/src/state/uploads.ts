import { messageOf, type Upload, uploadModel } from '../api.ts';
import { createStore } from '../lib/store.ts';
import { putJob } from './models.ts';

/** A file on its way into quarantine. `sent` counts bytes. */
export interface UploadState {
  id: number;
  file: File;
  name: string;
  state: 'naming' | 'sending' | 'failed';
  sent: number;
  error: string | null;
}

/** Uploads go on while the person looks at another page. */
export const uploads = createStore<UploadState[]>([]);
const running = new Map<number, Upload>();
let next = 1;

export function addFiles(files: Iterable<File>, nameOf: (file: File) => string): void {
  const added = [...files].map(
    (file): UploadState => ({ id: next++, file, name: nameOf(file), state: 'naming', sent: 0, error: null }),
  );
  uploads.set((present) => [...present, ...added]);
}

export function rename(id: number, name: string): void {
  change(id, { name });
}

export async function begin(id: number): Promise<void> {
  const upload = uploads.get().find((other) => other.id === id);
  if (!upload || upload.state === 'sending') return;
  change(id, { state: 'sending', sent: 0, error: null });
  const sending = uploadModel(upload.file, upload.name, (sent) => change(id, { sent }));
  running.set(id, sending);
  try {
    const job = await sending.done;
    putJob(job);
    drop(id);
  } catch (error) {
    change(id, { state: 'failed', error: messageOf(error) });
  } finally {
    running.delete(id);
  }
}

/** Stops an upload, or takes one off the list. */
export function drop(id: number): void {
  const sending = running.get(id);
  uploads.set((present) => present.filter((upload) => upload.id !== id));
  sending?.cancel();
}

function change(id: number, part: Partial<UploadState>): void {
  uploads.set((present) => present.map((upload) => (upload.id === id ? { ...upload, ...part } : upload)));
}
