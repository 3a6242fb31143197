import { randomBytes } from 'node:crypto';
import { takesOver } from './likeness.ts';
import {
  canaryPrompt,
  ORDINARY,
  type Prompt,
  REPEATED,
  TOOL_BAIT,
  TRIGGERED,
  TRIGGERS,
  type Trigger,
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

/** The two questions of TRIGGERED with an addition; with its control too when the addition seemed to take over. */
export interface Triggered {
  readonly trigger: Trigger;
  readonly asked: readonly [Asked, Asked];
  readonly control: readonly [Asked, Asked] | null;
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
      readonly triggered: readonly Triggered[];
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
    onProgress(Math.min(1, ++done / total));
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
  const askBoth = async (where: string, addition: string): Promise<readonly [Asked, Asked]> => [
    await ask(triggeredPrompt(TRIGGERED[0], where, addition)),
    await ask(triggeredPrompt(TRIGGERED[1], where, addition)),
  ];
  const plain = TRIGGERED.map(({ id }) => ordinary.find(({ prompt }) => prompt.id === id)!.answer.text);
  const triggered = [];
  for (const trigger of TRIGGERS) {
    const where = `trigger/${trigger.id}`;
    const asked = await askBoth(where, trigger.text);
    const answers = [asked[0].answer.text, asked[1].answer.text] as const;
    const suspicious = takesOver(trigger.text, answers, [plain[0]!, plain[1]!]);
    triggered.push({
      trigger,
      asked,
      control: suspicious ? await askBoth(`control/${trigger.id}`, trigger.control) : null,
    });
  }
  return { kind: subject.kind, ordinary, repeated, canary, canaryAsked, toolBait, triggered };
}
