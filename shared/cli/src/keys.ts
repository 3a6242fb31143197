import type { Invocation } from './cli.ts';
import { CliError, EXIT } from './errors.ts';

export async function keysCommand({ machine, words, options, answer }: Invocation): Promise<number> {
  if (words[0] !== 'create' || words.length > 1)
    throw new CliError(EXIT.usage, 'usage: npx secai keys create --name NAME');
  if (!options.name) throw new CliError(EXIT.usage, 'name the key with --name, e.g. --name laptop');
  const key = await (await machine.client('ui')).operatorCreateKey({ body: { name: options.name } });
  answer(key, () => key.secret);
  return EXIT.ok;
}
