import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { Problem } from '@secai/contracts';
import { auditCommand } from './audit.ts';
import { chatCommand } from './chat.ts';
import { CliError, EXIT } from './errors.ts';
import { importCommand } from './import.ts';
import { keysCommand } from './keys.ts';
import { logsCommand } from './logs.ts';
import { Machine } from './machine.ts';
import { modelsCommand } from './models.ts';
import { statusCommand } from './status.ts';

export interface CliEnvironment {
  env: Record<string, string | undefined>;
  /** The checkout. */
  root: string;
  out(text: string): void;
  err(text: string): void;
  tty: boolean;
}

export interface Invocation extends CliEnvironment {
  machine: Machine;
  /** Words after the command. */
  words: string[];
  options: { json: boolean; name?: string; model?: string; follow: boolean; lines: string };
  /** Prints a value as JSON with --json, else the text. */
  answer(value: unknown, text: () => string): void;
}

interface Command {
  usage: string;
  summary: string;
  run(invocation: Invocation): Promise<number>;
}

const commands: Record<string, Command> = {
  status: { usage: 'status', summary: 'state and memory of every service', run: statusCommand },
  logs: { usage: 'logs [SERVICE] [--follow] [--lines N]', summary: 'what the services log', run: logsCommand },
  models: { usage: 'models', summary: 'models that passed quarantine, and those on their way', run: modelsCommand },
  import: {
    usage: 'import FILE [--name NAME]',
    summary: 'send a model file through quarantine and wait for the verdict',
    run: importCommand,
  },
  chat: { usage: 'chat TEXT [--model NAME]', summary: 'ask a model, the answer streams', run: chatCommand },
  keys: { usage: 'keys create --name NAME', summary: 'make an API key; it is printed once', run: keysCommand },
  audit: { usage: 'audit verify', summary: 'check every audit log against its signed checkpoints', run: auditCommand },
};

const USAGE = `Usage: npx secai COMMAND [--json]

${Object.values(commands)
  .map(({ usage, summary }) => `  ${usage.padEnd(40)} ${summary}`)
  .join('\n')}

Exit codes: 0 done · 1 failed or refused · 2 wrong usage · 3 the stack is not running
SECAI_HOME names the state folder (default ./.secai).
`;

/** Runs one command line; resolves to the exit code. Never throws for what a user can do wrong. */
export async function runCli(argv: string[], environment: CliEnvironment): Promise<number> {
  try {
    const { values, positionals } = parseArgs({
      args: argv,
      allowPositionals: true,
      options: {
        json: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
        name: { type: 'string' },
        model: { type: 'string' },
        follow: { type: 'boolean', short: 'f', default: false },
        lines: { type: 'string', short: 'n', default: '50' },
      },
    });
    const [name, ...words] = positionals;
    if (values.help || name === undefined || name === 'help') {
      environment.out(USAGE);
      return name === undefined && !values.help ? EXIT.usage : EXIT.ok;
    }
    const command = commands[name];
    if (!command) throw new CliError(EXIT.usage, `there is no command "${name}"; \`npx secai --help\` lists them`);
    const machine = new Machine(
      resolve(environment.env['SECAI_HOME'] || join(environment.root, '.secai')),
      environment.env,
    );
    return await command.run({
      ...environment,
      machine,
      words,
      options: values,
      answer: (value, text) => environment.out(values.json ? `${JSON.stringify(value, null, 2)}\n` : `${text()}\n`),
    });
  } catch (error) {
    const { code, message } = explain(error);
    environment.err(argv.includes('--json') ? `${JSON.stringify({ error: message })}\n` : `secai: ${message}\n`);
    return code;
  }
}

function explain(error: unknown): { code: number; message: string } {
  if (error instanceof CliError) return { code: error.exitCode, message: error.message };
  if (error instanceof Problem)
    return { code: error.code === 'dependency_unavailable' ? EXIT.notRunning : EXIT.failed, message: error.message };
  const { code, message } = error as NodeJS.ErrnoException;
  if (code?.startsWith('ERR_PARSE_ARGS')) return { code: EXIT.usage, message };
  return { code: EXIT.failed, message };
}
