import type { ChatHistoryItem, ChatModelFunctionCall, ChatModelFunctions } from 'node-llama-cpp';
import type { ChatRequest, Message } from '../protocol/chat.ts';

/** OpenAI messages as node-llama-cpp's history; results of tool calls move into the call that they answer. */
export function toHistory(messages: readonly Message[]): ChatHistoryItem[] {
  const results = new Map<string, string>();
  for (const message of messages) if (message.role === 'tool') results.set(message.tool_call_id, message.content);
  const history: ChatHistoryItem[] = [];
  for (const message of messages) {
    switch (message.role) {
      case 'system':
      case 'user':
        history.push({ type: message.role, text: message.content });
        break;
      case 'tool':
        break;
      case 'assistant': {
        const calls = (message.tool_calls ?? []).map((call, index): ChatModelFunctionCall => {
          const params: unknown = JSON.parse(call.function.arguments || '{}');
          const result = results.get(call.id);
          return { type: 'functionCall', name: call.function.name, params, result, startsNewChunk: index === 0 };
        });
        const response = [...(message.content === '' ? [] : [message.content]), ...calls];
        // A turn that called tools goes on after their results: for node-llama-cpp that is one response.
        const last = history.at(-1);
        if (last?.type === 'model') last.response.push(...response);
        else history.push({ type: 'model', response });
      }
    }
  }
  return history;
}

/** The request's tools as node-llama-cpp's functions; undefined when the model is not to call any. */
export function toFunctions(request: ChatRequest): ChatModelFunctions | undefined {
  if (request.tools.length === 0 || request.tool_choice === 'none') return undefined;
  return Object.fromEntries(
    request.tools.map(({ function: { name, description, parameters } }) => [
      name,
      {
        ...(description === undefined ? {} : { description }),
        ...(parameters === undefined ? {} : { params: parameters as never }),
      },
    ]),
  );
}
