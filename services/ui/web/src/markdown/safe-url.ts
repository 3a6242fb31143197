/**
 * The address of a link or image in a message if it may stay: absolute `http`, `https` or `mailto`. Everything else
 * (`javascript:`, `data:`, `blob:`, relative ones that would act on this app) is null.
 */
export function safeAddress(raw: string | undefined): URL | null {
  if (!raw) return null;
  const cleaned = raw.replace(/[\u0000-\u0020\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g, '');
  if (!/^(https?:\/\/|mailto:)/i.test(cleaned)) return null;
  try {
    const address = new URL(cleaned);
    const web = address.protocol === 'http:' || address.protocol === 'https:';
    if (address.username !== '' || address.password !== '') return null;
    return web || address.protocol === 'mailto:' ? address : null;
  } catch {
    return null;
  }
}

/** Where an address leads, as a person should read it: the real host (IDN in ASCII form) or the mail address. */
export function destinationOf(address: URL): string {
  return address.protocol === 'mailto:' ? address.pathname : address.host;
}
