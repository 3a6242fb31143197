import type { Chat, ChatMessage } from '@secai/contracts';

/** A chat's branch on show as Markdown. Answers are Markdown already and stay as they are. */
export function exportMarkdown(chat: Chat, branch: readonly ChatMessage[]): string {
  const parts = [`# ${chat.title}`];
  if (chat.system_prompt !== '') parts.push(`> ${chat.system_prompt.replaceAll('\n', '\n> ')}`);
  for (const message of branch) {
    const who = message.role === 'user' ? 'You' : (message.model ?? 'Assistant');
    const cut = message.state === 'complete' ? '' : ` (${message.state})`;
    parts.push(`## ${who}${cut}\n\n_${message.created_at}_\n\n${message.content}`);
  }
  return `${parts.join('\n\n')}\n`;
}

/** A Content-Disposition value for a download (RFC 6266): an ASCII name and the real one. */
export function attachment(title: string): string {
  const name = `${
    title
      .toWellFormed()
      .replace(/[\p{C}"\\/:*?<>|%\s]+/gu, ' ')
      .trim()
      .slice(0, 80)
      .trim() || 'chat'
  }.md`;
  const ascii = name.normalize('NFKD').replace(/[^\x20-\x7e]/g, '') || 'chat.md';
  // encodeURIComponent leaves ' ( ) * alone, which RFC 8187 does not allow.
  const encoded = encodeURIComponent(name.toWellFormed()).replace(
    /['()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  return `attachment; filename="${ascii.startsWith('.') ? `chat${ascii}` : ascii}"; filename*=UTF-8''${encoded}`;
}
