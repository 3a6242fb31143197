/** Tries many connections with one process: starting Node in a container costs seconds on an emulated processor. */
import { expect } from './report.ts';
import { asUser, must, type Outcome, podman, sh } from './shell.ts';

export type Target = readonly [host: string, port: number];

/** Runs in the container: tries all targets of stdin in order, prints `reached` or an error code for each. */
const script = `
const net = require('node:net');
let text = '';
process.stdin.on('data', (part) => (text += part)).on('end', async () => {
  const results = [];
  for (const [host, port] of JSON.parse(text)) {
    results.push(await new Promise((resolve) => {
      const socket = net.connect({ host, port, timeout: 6000 });
      const finish = (result) => { socket.destroy(); resolve(result); };
      socket.on('connect', () => finish('reached')).on('timeout', () => finish('ETIMEDOUT')).on('error', (error) => finish(error.code));
    }));
  }
  console.log(JSON.stringify(results));
});`;
const hostNode = '/usr/lib/secai-test/node';
const timeoutMs = 300_000;

/** From inside a container, with its own Node and all its limits; `user` 0 is root in the container. */
export function probeInContainer(service: string, targets: readonly Target[], user?: string): string[] {
  const as = user === undefined ? [] : ['--user', user];
  return results(
    podman(['exec', '-i', ...as, `secai-${service}`, '/usr/bin/node', '-e', script], options(targets)),
    service,
  );
}

/** From a container's network namespace as the machine's root: for images without Node. */
export function probeInNamespace(service: string, targets: readonly Target[]): string[] {
  const pid = must(
    'nsenter',
    asUser('secai', ['podman', 'inspect', '--format', '{{.State.Pid}}', `secai-${service}`]),
  ).trim();
  return results(sh('nsenter', [`--net=/proc/${pid}/ns/net`, hostNode, '-e', script], options(targets)), service);
}

/** As one of the service users outside any container, in its namespace: where an escaped process would be. */
export function probeAsUser(user: 'secai' | 'secai-airlock', targets: readonly Target[]): string[] {
  return results(sh('nsenter', asUser(user, [hostNode, '-e', script]), options(targets)), user);
}

function options(targets: readonly Target[]): { input: string; timeoutMs: number } {
  return { input: JSON.stringify(targets), timeoutMs };
}

function results(outcome: Outcome, where: string): string[] {
  expect(outcome.code === 0, `the probe in ${where} ended with code ${outcome.code}: ${outcome.err.slice(-300)}`);
  return JSON.parse(outcome.out) as string[];
}
