import { lastModel } from '../lib/prefs.ts';
import { createStore } from '../lib/store.ts';
import type { Model } from './models.ts';

/** How a chat's next answer is made, as chosen in the composer. Kept for as long as the page is open. */
export interface ChatOptions {
  model?: string;
  temperature?: number;
  max_tokens?: number;
  /** Only for a chat that does not exist yet; later it is stored with the chat. */
  systemPrompt?: string;
}

const options = createStore<Record<string, ChatOptions>>({});

export { options as chatOptions };

export function optionsKey(chatId: string | null): string {
  return chatId ?? 'new';
}

export function changeOptions(chatId: string | null, change: ChatOptions): void {
  const key = optionsKey(chatId);
  options.set((present) => ({ ...present, [key]: { ...present[key], ...change } }));
}

/** What was chosen before the chat existed becomes the chat's. */
export function adoptOptions(chatId: string): void {
  options.set(({ new: chosen, ...rest }) => (chosen ? { ...rest, [chatId]: chosen } : rest));
}

/** The model the next answer comes from: chosen here, else the chat's, else the last used, else any that is available. */
export function modelFor(
  chosen: string | undefined,
  chatModel: string | null,
  available: readonly Model[],
): string | null {
  const wanted = [chosen, chatModel, lastModel()];
  const names = new Set(available.map((model) => model.name));
  return wanted.find((name) => name !== undefined && name !== null && names.has(name)) ?? available[0]?.name ?? null;
}
