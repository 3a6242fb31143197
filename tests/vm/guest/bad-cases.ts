/** What goes wrong on purpose: the failing part and what depends on it stays down, the reason is in `secai status`, a repaired cause heals without a boot. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { services } from '../../../shared/topology/src/index.ts';
import { check, expect } from './report.ts';
import { podman, property, sh, until, userctl } from './shell.ts';

const healSeconds = 420;
const units = '/usr/share/secai/quadlets/secai';

export async function checkBadCases(): Promise<void> {
  await check(
    'an image whose digest differs: its service stays down with a reason, the others stay up, the repair heals',
    async () => {
      const dropIn = `${units}/secai-registry.container.d/20-wrong.conf`;
      writeFileSync(dropIn, `[Container]\nImage=localhost/secai/registry@sha256:${'1'.repeat(64)}\n`);
      try {
        await breakService('registry');
        expect(property('secai-policy-engine.service', 'ActiveState') === 'active', 'policy-engine went down too');
        expect(property('secai-store.service', 'ActiveState') === 'active', 'store went down too');
        const line = statusLine('registry');
        expect(/image/i.test(line), `the status names no reason: ${line}`);
      } finally {
        rmSync(dropIn, { force: true });
      }
      return heal();
    },
  );

  await check('a missing secret: its service stays down with a reason, the repair heals', async () => {
    const removed = podman(['secret', 'rm', 'ui.audit-key']);
    expect(removed.code === 0, removed.err);
    await breakService('ui');
    expect(property('secai-registry.service', 'ActiveState') === 'active', 'registry went down too');
    const line = statusLine('ui');
    expect(/secret/i.test(line), `the status names no reason: ${line}`);
    userctl('restart', '--no-block', 'secai-secrets.service');
    return heal();
  });

  await check(
    'a container that takes more memory than its cap is stopped; the machine and the service go on',
    async () => {
      const greedy = 'const all=[];for(;;){const b=Buffer.alloc(16*2**20,1);all.push(b)}';
      const outcome = podman(['exec', 'secai-policy-engine', '/usr/bin/node', '-e', greedy], { timeoutMs: 180_000 });
      expect(
        outcome.code === 137 || outcome.code === 134,
        `the process ended with code ${outcome.code}: ${outcome.err.slice(-200)}`,
      );
      return heal();
    },
  );

  await check('pasta killed: the containers still reach each other', async () => {
    const killed = sh('pkill', ['-9', '-u', '970', '-x', 'pasta(.avx2)?']).code === 0;
    const outcome = sh('curl', [
      '-s',
      '-m',
      '60',
      '-o',
      '/dev/null',
      '-w',
      '%{http_code}',
      'http://127.0.0.1:8480/health',
    ]);
    expect(outcome.out === '200', `the page: ${outcome.out} ${outcome.err}`);
    const peer = podman([
      'exec',
      'secai-ui',
      '/usr/bin/node',
      '/usr/lib/secai/health.mjs',
      'http://policy-engine:8500/health',
    ]);
    expect(peer.code === 0, peer.err);
    return killed ? 'killed; page and edges work' : 'no pasta runs: internal networks need none';
  });

  await check('without attestation nothing behind the gate starts, and the reason is told', async () => {
    const profile = readFileSync('/etc/secai/profile.env', 'utf8');
    writeFileSync('/etc/secai/profile.env', 'SECAI_MODE=hardware\n');
    try {
      userctl('restart', 'secai-gate.service');
      await until('all services to stop', 180, () =>
        services.every((one) => property(`secai-${one.name}.service`, 'ActiveState') !== 'active') ? true : undefined,
      );
      const line = statusLine('gate');
      expect(/needs an attestor/.test(line), `the status names no reason: ${line}`);
    } finally {
      writeFileSync('/etc/secai/profile.env', profile);
    }
    return heal();
  });
}

/** Restarts a service that cannot start and waits until systemd has seen its failure. */
async function breakService(name: string): Promise<void> {
  userctl('daemon-reload');
  userctl('restart', '--no-block', `secai-${name}.service`);
  await until(`secai-${name} to fail`, 180, () => {
    const state = property(`secai-${name}.service`, 'SubState');
    return state === 'auto-restart' || state === 'failed' ? true : undefined;
  });
}

function statusLine(name: string): string {
  return (
    sh('/usr/bin/secai', ['status'])
      .out.split('\n')
      .find((line) => line.startsWith(`secai-${name} `)) ?? ''
  );
}

/** What secai-heal.timer does every minute; here without the wait. */
async function heal(): Promise<string> {
  const started = performance.now();
  userctl('daemon-reload');
  await until(
    'the machine to heal',
    healSeconds,
    () => {
      if (property('secai.target', 'ActiveState') === 'active') return true;
      userctl('start', '--no-block', 'secai.target');
      return undefined;
    },
    5000,
  );
  return `healed after ${Math.round((performance.now() - started) / 1000)} s`;
}
