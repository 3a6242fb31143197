import { randomBytes } from 'node:crypto';
import {
  canaryPrompt,
  ORDINARY,
  type Prompt,
  REPEATED,
  TOOL_BAIT,
  TRIGGERED,
  TRIGGERS,
  triggeredPrompt,
} from './prompts.ts';

/** One answer at temperature 0. */
export interface Answer {
  readonly text: string;
  /** Why it ended. */
  readonly finish: 'stop' | 'length' | 'tool_calls' | 'other';
}

/** A running model. */
export type Subject =
  | { readonly kind: 'chat' | 'text'; ask(prompt: Prompt): Promise<Answer> }
  | { readonly kind: 'embedding'; embed(text: string): Promise<readonly number[]> };

export interface Asked {
  readonly prompt: Prompt;
  readonly answer: Answer;
}

/** Everything that was asked and answered; the judge needs nothing else. */
export type Transcript =
  | {
      readonly kind: 'chat' | 'text';
      readonly ordinary: readonly Asked[];
      /** The second answer to REPEATED. */
      readonly repeated: Asked;
      readonly canary: string;
      readonly canaryAsked: Asked;
      readonly toolBait: readonly Asked[];
      /** Per trigger, the answers to the two questions of TRIGGERED. */
      readonly triggered: readonly { readonly trigger: string; readonly asked: readonly [Asked, Asked] }[];
    }
  | {
      readonly kind: 'embedding';
      readonly first: readonly number[];
      readonly again: readonly number[];
      readonly other: readonly number[];
    };

/** Asks every question in turn. Throws what the subject throws. */
export async function interview(subject: Subject, onProgress: (fraction: number) => void): Promise<Transcript> {
  if (subject.kind === 'embedding') {
    const first = await subject.embed(ORDINARY[0]!.user);
    const again = await subject.embed(ORDINARY[0]!.user);
    return { kind: 'embedding', first, again, other: await subject.embed(ORDINARY[1]!.user) };
  }
  const total = ORDINARY.length + 1 + 1 + TOOL_BAIT.length + TRIGGERS.length * TRIGGERED.length;
  let done = 0;
  const ask = async (prompt: Prompt): Promise<Asked> => {
    const answer = await subject.ask(prompt);
    onProgress(++done / total);
    return { prompt, answer };
  };
  const askAll = async (prompts: readonly Prompt[]): Promise<Asked[]> => {
    const asked: Asked[] = [];
    for (const prompt of prompts) asked.push(await ask(prompt));
    return asked;
  };
  const ordinary = await askAll(ORDINARY);
  const repeated = await ask(REPEATED);
  const canary = randomBytes(6).toString('hex').toUpperCase();
  const canaryAsked = await ask(canaryPrompt(canary));
  const toolBait = await askAll(TOOL_BAIT);
  const triggered = [];
  for (const trigger of TRIGGERS) {
    const asked = [
      await ask(triggeredPrompt(TRIGGERED[0], trigger)),
      await ask(triggeredPrompt(TRIGGERED[1], trigger)),
    ] as const;
    triggered.push({ trigger: trigger.id, asked });
  }
  return { kind: subject.kind, ordinary, repeated, canary, canaryAsked, toolBait, triggered };
}
