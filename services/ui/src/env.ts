import * as z from 'zod';

const path = z.string().startsWith('/', 'an absolute path');

/** Variables of the ui beside those that every service has. Empty text counts as not set. */
export const uiEnv = z.object({
  /** Sets the passphrase at the first start, for machines without a browser; ignored once there is one. */
  SECAI_PASSPHRASE: z
    .string()
    .refine((text) => text === '' || (text.length >= 12 && text.length <= 1024), '12 to 1024 characters')
    .optional(),
  /** Further `host` or `host:port` names under which browsers may open the page, separated by commas. */
  SECAI_UI_HOSTS: z
    .string()
    .regex(/^[a-z0-9.:[\],_ -]*$/i, 'host names with optional ports, separated by commas')
    .default('')
    .transform((text) =>
      text
        .split(',')
        .map((host) => host.trim().toLowerCase())
        .filter((host) => host !== ''),
    ),
  /** Folder of the built page; by default web/dist beside src/. */
  SECAI_UI_WEB: path.optional(),
  /** JSON file with an array of sentences for the system page, written by whoever starts the service. */
  SECAI_NOTICES_FILE: path.optional(),
});
export type UiEnv = z.output<typeof uiEnv>;
