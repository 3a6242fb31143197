export { type Command, type CommandOptions, commandFor, socketUrl } from './command.ts';
export { type Home, homeAt, prepareHome } from './home.ts';
export { submitModel } from './import-starter.ts';
export { Launcher, type LauncherOptions, PortTaken } from './launcher.ts';
export { AlreadyRunning, takeLock } from './lock.ts';
export { readableLine } from './logs.ts';
export { fetchStarterModel, StarterModelError, starterModel } from './starter-model.ts';
export { formatTable, residentMb, type ServiceRow } from './table.ts';
