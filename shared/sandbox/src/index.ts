export { SandboxError, type SandboxErrorCode } from './errors.ts';
export type { FilesystemIsolation, SandboxMethod } from './methods.ts';
export { probeSandbox, type SandboxProbe } from './probe.ts';
export {
  type SandboxExit,
  type Sandboxed,
  type SandboxOptions,
  type SandboxStdio,
  type StopCause,
  spawnSandboxed,
} from './spawn.ts';
