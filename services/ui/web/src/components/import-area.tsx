import { FileUp } from 'lucide-react';
import { type DragEvent, type ReactNode, useId, useRef, useState } from 'react';
import { bytes, modelNameProblem, nameFromFile } from '../lib/format.ts';
import { useStore } from '../lib/store.ts';
import { addFiles, begin, drop, rename, type UploadState, uploads } from '../state/uploads.ts';
import { Progress } from './stepper.tsx';

/** Where model files come in: by drag and drop or the file picker. */
export function ImportArea(): ReactNode {
  const picker = useRef<HTMLInputElement>(null);
  const [over, setOver] = useState(false);
  const waiting = useStore(uploads);
  const add = (files: Iterable<File>): void => addFiles(files, (file) => nameFromFile(file.name));
  const onDrag = (event: DragEvent, inside: boolean): void => {
    event.preventDefault();
    setOver(inside);
  };
  return (
    <section aria-label="Import a model">
      {/* biome-ignore lint/a11y/noStaticElementInteractions: the button inside does the same by keyboard */}
      <div
        className={`drop ${over ? 'over' : ''}`}
        onDragEnter={(event) => onDrag(event, true)}
        onDragOver={(event) => onDrag(event, true)}
        onDragLeave={(event) => onDrag(event, event.currentTarget.contains(event.relatedTarget as Node | null))}
        onDrop={(event) => {
          onDrag(event, false);
          add(event.dataTransfer.files);
        }}
      >
        <FileUp size={22} aria-hidden />
        <p>
          <strong>Drop a model file here</strong>
          <span>A GGUF file. It goes into quarantine first; nothing loads before it has passed.</span>
        </p>
        <button type="button" className="button" onClick={() => picker.current?.click()}>
          Choose file…
        </button>
        <input
          ref={picker}
          type="file"
          multiple
          accept=".gguf,.safetensors"
          aria-label="Model file"
          className="sr-only"
          tabIndex={-1}
          onChange={(event) => {
            add(event.target.files ?? []);
            event.target.value = '';
          }}
        />
      </div>
      {waiting.map((upload) => (
        <UploadCard key={upload.id} upload={upload} />
      ))}
    </section>
  );
}

function UploadCard(props: { upload: UploadState }): ReactNode {
  const { upload } = props;
  const id = useId();
  const problem = modelNameProblem(upload.name);
  const share = upload.file.size === 0 ? 0 : Math.min(1, upload.sent / upload.file.size);
  const sending = upload.state === 'sending';
  return (
    <form
      className="card upload"
      aria-label={`Upload of ${upload.file.name}`}
      onSubmit={(event) => {
        event.preventDefault();
        if (problem === null) void begin(upload.id);
      }}
    >
      <div className="upload-row">
        <div className="field">
          <label htmlFor={`${id}-name`}>Name on this machine</label>
          <input
            id={`${id}-name`}
            value={upload.name}
            disabled={sending}
            aria-invalid={problem ? true : undefined}
            aria-describedby={`${id}-note`}
            onChange={(event) => rename(upload.id, event.target.value)}
          />
        </div>
        {sending ? null : (
          <button type="submit" className="button primary" disabled={problem !== null}>
            {upload.state === 'failed' ? 'Try again' : 'Import'}
          </button>
        )}
        <button type="button" className="button" onClick={() => drop(upload.id)}>
          {sending ? 'Cancel upload' : 'Remove'}
        </button>
      </div>
      {sending ? <Progress label={`Upload of ${upload.file.name}`} value={share} /> : null}
      <p id={`${id}-note`} className={problem || upload.error ? 'field-hint bad' : 'field-hint'} role="status">
        {upload.error ??
          problem ??
          (sending
            ? `${bytes(Math.min(upload.sent, upload.file.size))} of ${bytes(upload.file.size)} copied into quarantine`
            : `${upload.file.name} · ${bytes(upload.file.size)}`)}
      </p>
    </form>
  );
}
