import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const at = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const rulesets = ['../rootfs/usr/share/secai/netns', '../../quadlets/nft'].flatMap((folder) =>
  readdirSync(at(folder)).map((name) => `${at(folder)}/${name}`),
);
const canCheck = existsSync('/usr/sbin/nft') && process.getuid?.() === 0;

describe('packet filters', () => {
  it.each(rulesets)('%s drops by default in every filter chain', (file) => {
    const chains = [...readFileSync(file, 'utf8').matchAll(/type filter hook (\w+) priority filter; policy (\w+);/g)];
    expect(chains.map((match) => match[1]).sort()).toEqual(['forward', 'input', 'output']);
    expect(chains.every((match) => match[2] === 'drop')).toBe(true);
  });

  // A network namespace of its own: nothing of the machine's own rules is touched.
  it.skipIf(!canCheck).each(rulesets)('%s is accepted by nft, twice in a row where it is reloaded', (file) => {
    const reloaded = file.includes('/netns/') ? `&& nft -f '${file}'` : '';
    const result = spawnSync('unshare', ['--net', 'sh', '-c', `nft -f '${file}' ${reloaded}`], { encoding: 'utf8' });
    expect(result.stderr).toBe('');
    expect(result.status).toBe(0);
  });
});

describe('units of the namespaces', () => {
  const unit = (path: string): string => readFileSync(at(`../rootfs/usr/lib/systemd/system/${path}`), 'utf8');

  it('put each service user into its own namespace and hide the sockets of host daemons', () => {
    for (const [uid, namespace] of [
      [970, 'secai-sealed'],
      [971, 'secai-egress'],
    ]) {
      const text = unit(`user@${uid}.service.d/secai.conf`);
      expect(text).toContain(`NetworkNamespacePath=/run/netns/${namespace}`);
      expect(text).toContain('Requires=secai-netns.service');
      expect(text).toMatch(/InaccessiblePaths=.*-\/run\/dbus\/system_bus_socket/);
    }
  });

  it('start the socket proxy inside the sealed namespace only', () => {
    expect(unit('secai-ui.service')).toContain('NetworkNamespacePath=/run/netns/secai-sealed');
    expect(unit('secai-ui.socket')).toContain('ListenStream=127.0.0.1:8480');
  });

  it('run scripts that are executable and parse', () => {
    for (const folder of [
      '../rootfs/usr/libexec/secai',
      '../../image/rootfs/usr/libexec/secai',
      '../../image/rootfs/usr/bin',
    ]) {
      for (const name of readdirSync(at(folder))) {
        const file = `${at(folder)}/${name}`;
        expect(statSync(file).mode & 0o111, name).not.toBe(0);
        expect(spawnSync('sh', ['-n', file]).status, name).toBe(0);
      }
    }
  });
});
