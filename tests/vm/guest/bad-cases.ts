/** What goes wrong on purpose: the failing part and what depends on it stays down, the reason is in `secai status`, a repaired cause heals without a boot. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { services } from '../../../shared/topology/src/index.ts';
import { check, expect } from './report.ts';
import { podman, property, sh, until, userctl } from './shell.ts';

const healSeconds = 420;
const units = '/usr/share/secai/quadlets/secai';

export async function checkBadCases(): Promise<void> {
  const wrongDigest = `${units}/secai-registry.container.d/20-wrong.conf`;
  await checkAndRepair('an image whose digest differs', {
    breakIt: async () => {
      writeFileSync(wrongDigest, `[Container]\nImage=localhost/secai/registry@sha256:${'1'.repeat(64)}\n`);
      await restartUntilFailed('registry');
    },
    look: () => {
      expectActive('store', 'policy-engine');
      return expectReason('registry', /image/i);
    },
    repair: () => rmSync(wrongDigest, { force: true }),
  });

  await checkAndRepair('a missing secret', {
    breakIt: async () => {
      const removed = podman(['secret', 'rm', 'ui.audit-key']);
      expect(removed.code === 0, removed.err);
      await restartUntilFailed('ui');
    },
    look: () => {
      expectActive('store', 'policy-engine', 'registry', 'quarantine', 'inference-worker');
      return expectReason('ui', /secret/i);
    },
    // The healing itself makes what is missing.
    repair: () => {},
  });

  await checkAndRepair('a container that takes more memory than its cap', {
    breakIt: async () => {
      const greedy = 'const all=[];for(;;)all.push(Buffer.alloc(16*2**20,1))';
      const outcome = podman(['exec', 'secai-policy-engine', '/usr/bin/node', '-e', greedy], { timeoutMs: 180_000 });
      expect(outcome.code !== 0 && outcome.code !== 124, `the process was not stopped: code ${outcome.code}`);
    },
    look: () => {
      expectActive('store', 'registry');
      return 'the greedy process was stopped';
    },
    repair: () => {},
  });

  await checkAndRepair('pasta killed', {
    breakIt: async () => {
      sh('pkill', ['-9', '-u', '970', 'pasta']);
    },
    look: () => {
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
      const probe = ['/usr/bin/node', '/usr/lib/secai/health.mjs', 'http://policy-engine:8500/health'];
      const peer = podman(['exec', 'secai-ui', ...probe]);
      expect(peer.code === 0, peer.err);
      return 'page and edges work without it';
    },
    repair: () => {},
  });

  const profile = readFileSync('/etc/secai/profile.env', 'utf8');
  await checkAndRepair('an attestor that does not vouch', {
    breakIt: async () => {
      writeFileSync('/etc/secai/profile.env', 'SECAI_MODE=hardware\n');
      userctl('restart', 'secai-gate.service');
      await until('all services to stop', 180, () =>
        services.every((one) => property(`secai-${one.name}.service`, 'ActiveState') !== 'active') ? true : undefined,
      );
    },
    look: () => expectReason('gate', /needs an attestor/),
    repair: () => writeFileSync('/etc/secai/profile.env', profile),
  });
}

interface BadCase {
  breakIt: () => Promise<void>;
  /** Throws when the damage is not as small and as plain as it should be; returns what it saw. */
  look: () => string;
  repair: () => void;
}

/** Two checks: what the damage does, and that the machine heals without a boot once the cause is gone. */
async function checkAndRepair(name: string, { breakIt, look, repair }: BadCase): Promise<void> {
  await check(`${name}: only what depends on it stays down, with a reason`, async () => {
    await breakIt();
    return look();
  });
  repair();
  await check(`${name}: heals without a boot`, heal);
}

function expectActive(...names: string[]): void {
  for (const name of names) {
    const state = property(`secai-${name}.service`, 'ActiveState');
    expect(state === 'active', `${name} is ${state} too`);
  }
}

/** The line of `secai status` about a service; throws when it does not match. */
function expectReason(name: string, reason: RegExp): string {
  const lines = sh('/usr/bin/secai', ['status']).out.split('\n');
  const line = lines.find((one) => one.startsWith(`secai-${name} `)) ?? '';
  expect(reason.test(line), `the status names no reason: ${line}`);
  return line.replace(/\s+/g, ' ');
}

/** Restarts a service that cannot start and waits until systemd has seen its failure. */
async function restartUntilFailed(name: string): Promise<void> {
  userctl('daemon-reload');
  userctl('restart', '--no-block', `secai-${name}.service`);
  await until(`secai-${name} to fail`, 180, () => {
    const state = property(`secai-${name}.service`, 'SubState');
    return state === 'auto-restart' || state === 'failed' ? true : undefined;
  });
}

/** secai-heal.service runs every minute; here without the wait. */
async function heal(): Promise<string> {
  const started = performance.now();
  userctl('daemon-reload');
  await until(
    'the machine to heal',
    healSeconds,
    () => {
      if (property('secai.target', 'ActiveState') === 'active') return true;
      userctl('start', 'secai-heal.service');
      return undefined;
    },
    5000,
  );
  return `healed after ${Math.round((performance.now() - started) / 1000)} s`;
}
