import { constants } from 'node:fs';
import { type FileHandle, lstat, open } from 'node:fs/promises';
import { join } from 'node:path';
import { Problem } from '@secai/contracts';

const SEGMENT = /^[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}$/;

/**
 * Opens the regular file at `relative` below `root` for reading, following no link on the way (a link could name any
 * file of this machine). Throws Problem `invalid_field` for what can never be a path here, `not_found`, or
 * `integrity_mismatch` for links, second names and other kinds of files. What is hashed is what is read from the handle.
 */
export async function openBelow(root: string, relative: string): Promise<FileHandle> {
  const segments = relative.split('/');
  if (!segments.every((segment) => SEGMENT.test(segment)))
    throw new Problem('invalid_field', 'body.file: name a file below the quarantine folder by plain names', {
      errors: [{ field: 'body.file', message: 'must be a plain relative path' }],
    });
  const refuse = (why: string): never => {
    throw new Problem('integrity_mismatch', `${relative} in the quarantine folder ${why}; nothing was promoted`);
  };
  try {
    let folder = root;
    for (const segment of segments.slice(0, -1)) {
      folder = join(folder, segment);
      if (!(await lstat(folder)).isDirectory()) refuse('leads through something that is no folder');
    }
    const path = join(folder, segments.at(-1)!);
    // O_NONBLOCK: opening a named pipe would otherwise wait for a writer.
    const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    try {
      const opened = await file.stat({ bigint: true });
      if (!opened.isFile()) refuse('is not a regular file');
      // A second name would let its holder change the bytes after the look.
      if (opened.nlink !== 1n) refuse('has a second name (hard link)');
      const named = await lstat(path, { bigint: true });
      if (named.ino !== opened.ino || named.dev !== opened.dev) refuse('was swapped while it was opened');
      return file;
    } catch (error) {
      await file.close();
      throw error;
    }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR')
      throw new Problem('not_found', `there is no file ${relative} in the quarantine folder`, {}, error);
    if (code === 'ELOOP') refuse('is a symbolic link');
    throw error;
  }
}
