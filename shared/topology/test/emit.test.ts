import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { addressTowards, flows, networks, serviceNumber } from '../src/emit/addresses.ts';
import { containerFirewall } from '../src/emit/container-firewall.ts';
import { emittedFiles } from '../src/emit/files.ts';
import { differences, emit } from '../src/emit/main.ts';
import { containerUnit, gatedServices, unsetDigest } from '../src/emit/quadlets.ts';
import { seccompProfile } from '../src/emit/seccomp.ts';
import { secretsOf, secretsPlan } from '../src/emit/secrets.ts';
import { edges, serviceByName, services } from '../src/index.ts';

describe('emitted files', () => {
  const folders: string[] = [];
  afterEach(() => {
    for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
  });

  it('are committed as the topology says', () => {
    expect(differences(), 'run `node shared/topology/src/emit/main.ts`').toEqual([]);
  });

  it('are repaired when one is edited, missing or left over', () => {
    const root = mkdtempSync(join(tmpdir(), 'emit-'));
    folders.push(root);
    expect(emit(root).sort()).toEqual([...emittedFiles().keys()].sort());
    expect(differences(root)).toEqual([]);
    writeFileSync(join(root, 'quadlets/secai/secai-ui.container'), '[Container]\n');
    writeFileSync(join(root, 'quadlets/secai/secai-old.container'), '[Container]\n');
    rmSync(join(root, 'quadlets/nft/store.nft'));
    expect(emit(root).sort()).toEqual([
      'quadlets/nft/store.nft',
      'quadlets/secai/secai-old.container',
      'quadlets/secai/secai-ui.container',
    ]);
    expect(differences(root)).toEqual([]);
  });
});

describe('container networks', () => {
  it('have subnets that do not overlap, with an address inside for each member', () => {
    const numbers = networks().map((one) => one.subnet);
    expect(new Set(numbers).size).toBe(numbers.length);
    for (const network of networks()) {
      const [base = '', bits] = network.subnet.split('/');
      const [, , , last = ''] = base.split('.');
      expect(bits).toBe('29');
      expect(Number(last) % 8).toBe(0);
      const prefix = base.split('.').slice(0, 3).join('.');
      for (const { address } of network.members) {
        expect(address.startsWith(`${prefix}.`)).toBe(true);
        const offset = Number(address.split('.')[3]) - Number(last);
        expect(offset).toBeGreaterThan(1);
        expect(offset).toBeLessThan(7);
      }
    }
  });

  it('join two services exactly when one calls the other', () => {
    const talking = new Set(flows().map((flow) => [flow.from, flow.to].sort().join(' ')));
    const joined = networks()
      .filter((one) => one.members.length > 1)
      .map((one) =>
        one.members
          .map((member) => member.service)
          .sort()
          .join(' '),
      );
    expect(new Set(joined)).toEqual(talking);
    expect(networks().every((one) => one.members.length <= 2)).toBe(true);
  });

  it('give room for 31 services and refuse the 32nd', () => {
    expect(() => serviceNumber({ ...serviceByName('ui'), uid: 232 })).toThrow(/room for 201–231/);
    expect(() => addressTowards('store', 'inference-worker')).toThrow(/share no network/);
  });
});

describe('container units', () => {
  it.each(services.map((service) => service.name))('%s is confined and starts behind what it needs', (name) => {
    const service = serviceByName(name);
    const lines = containerUnit(service).split('\n');
    for (const must of [
      'Pull=never',
      'ReadOnly=true',
      'NoNewPrivileges=true',
      'DropCapability=all',
      `User=${service.uid}`,
      `SeccompProfile=/usr/share/secai/seccomp/${name}.json`,
      `PidsLimit=${service.limits.pids}`,
      'DNS=none',
      'Notify=healthy',
      'DefaultDependencies=false',
      `Image=localhost/secai/${name}@${unsetDigest}`,
    ]) {
      expect(lines, must).toContain(must);
    }
    expect(
      lines.some((line) => line.startsWith('PodmanArgs=') && line.includes(`--memory=${service.limits.memoryMb}m`)),
    ).toBe(true);
    const requires = lines.find((line) => line.startsWith('Requires=')) ?? '';
    for (const needed of service.after) expect(requires).toContain(`secai-${needed}.service`);
    expect(requires.includes('secai-attested.target')).toBe(gatedServices().includes(service));
    expect(lines.some((line) => line.startsWith('PublishPort='))).toBe(service.published);
  });

  it('hand each service its own tokens and nobody else’s', () => {
    for (const service of services) {
      const names = secretsOf(service).map((secret) => secret.name);
      for (const name of names) {
        const owner = name.startsWith('postgres--') ? 'store' : name.split(/--|\./)[0];
        expect(owner, name).toBe(service.name);
      }
    }
    const planned = secretsPlan()
      .split('\n')
      .filter((line) => line.startsWith('token '));
    expect(planned).toHaveLength(edges.length);
  });
});

describe('packet filters of containers', () => {
  it('open a port for exactly the callers, and a way out for exactly the callees', () => {
    for (const service of services) {
      const accepted = containerFirewall(service)
        .split('\n')
        .filter((line) => / counter accept /.test(line))
        .map((line) => line.trim());
      const wanted = flows().flatMap((flow) => {
        if (flow.to === service.name)
          return [
            `ip saddr ${addressTowards(flow.from, flow.to)} tcp dport ${flow.port} counter accept comment "${flow.from}"`,
          ];
        if (flow.from === service.name)
          return [
            `ip daddr ${addressTowards(flow.to, flow.from)} tcp dport ${flow.port} counter accept comment "${flow.to}"`,
          ];
        return [];
      });
      expect(accepted.filter((line) => !line.includes('socket proxy')).sort()).toEqual(wanted.sort());
    }
  });
});

describe('seccomp profiles', () => {
  interface Profile {
    defaultAction: string;
    syscalls: { names: string[]; action: string; args?: { value: number }[] }[];
  }
  const allowed = (profile: Profile, name: string): Profile['syscalls'] =>
    profile.syscalls.filter((rule) => rule.action === 'SCMP_ACT_ALLOW' && rule.names.includes(name));

  it.each(services.map((service) => service.name))(
    '%s may not change namespaces, trace or load code into the kernel',
    (name) => {
      const profile = seccompProfile(serviceByName(name)) as Profile;
      expect(profile.defaultAction).toBe('SCMP_ACT_ERRNO');
      // The services that run models make an inner sandbox; no other service may make namespaces.
      const namespaces = ['unshare', 'mount', 'pivot_root'];
      for (const call of [
        ...(serviceByName(name).engine ? [] : namespaces),
        'setns',
        'ptrace',
        'bpf',
        'keyctl',
        'init_module',
        'io_uring_setup',
        'userfaultfd',
        'perf_event_open',
        'process_vm_writev',
        'clone3',
      ]) {
        expect(allowed(profile, call), call).toEqual([]);
      }
      expect(
        allowed(profile, 'socket')
          .map((rule) => rule.args?.[0]?.value)
          .sort(),
      ).toEqual([1, 16, 2]);
      if (!serviceByName(name).engine)
        expect(allowed(profile, 'clone').every((rule) => rule.args !== undefined)).toBe(true);
    },
  );
});
