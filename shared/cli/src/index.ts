export { type CliEnvironment, runCli } from './cli.ts';
