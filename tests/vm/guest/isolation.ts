/** The network shape of the booted machine, apart from the pairs of containers (tests/boundaries). */
import { readFileSync, readlinkSync } from 'node:fs';
import { services } from '../../../shared/topology/src/index.ts';
import { probeAsUser, probeInContainer, probeInNamespace, type Target } from './prober.ts';
import { check, expect } from './report.ts';
import { asUser, must, sh } from './shell.ts';

const outsideServer = '203.0.113.100';
const outsideResolver = '203.0.113.3';
/** Uplink by address, by name and by IPv6; the host, the egress namespace, podman's alias of the host. */
const forbidden: Target[] = [
  [outsideServer, 443],
  [outsideServer, 80],
  [outsideResolver, 53],
  ['example.com', 443],
  ['2001:db8::1', 443],
  ['10.78.0.1', 443],
  ['10.78.0.2', 443],
  ['10.77.0.2', 443],
  ['169.254.1.2', 8480],
];

export async function checkIsolation(): Promise<void> {
  await check('host, services and airlock live in three network namespaces', () => {
    const namespaces = [1, mainPid('user@970.service'), mainPid('user@971.service')].map((pid) =>
      readlinkSync(`/proc/${pid}/ns/net`),
    );
    expect(new Set(namespaces).size === 3, namespaces.join(' '));
    return namespaces.join(' ');
  });

  await check('the page answers on 127.0.0.1:8480', () => {
    const outcome = sh('curl', [
      '-s',
      '-m',
      '30',
      '-o',
      '/dev/null',
      '-w',
      '%{http_code}',
      'http://127.0.0.1:8480/health',
    ]);
    expect(outcome.out === '200', `curl: ${outcome.out} ${outcome.err}`);
    return 'HTTP 200 through the socket proxy';
  });

  await check('the host listens on 127.0.0.1:8480 and nothing else', () => {
    const listening = must('ss', ['-Hltun'])
      .split('\n')
      .filter(Boolean)
      .map((line) => line.split(/\s+/))
      .map((columns) => `${columns[0]} ${columns[4]}`)
      // The DHCP client's socket is bound to the uplink's own address and takes answers from port 67 only (nftables).
      .filter((socket) => !/^udp 203\.0\.113\.\d+%\w+:68$/.test(socket));
    expect(listening.length === 1 && listening[0] === 'tcp 127.0.0.1:8480', `listening: ${listening.join(', ')}`);
    return listening[0]!;
  });

  await check(
    'nothing of the services user reaches the uplink, as a host user, in a container or as root in one',
    () => {
      const before = uplinkPackets();
      const withNode = services.filter((service) => service.image === 'node');
      const tries: [string, string[]][] = [
        ['user secai', probeAsUser('secai', forbidden)],
        ...withNode.map((one): [string, string[]] => [one.name, probeInContainer(one.name, forbidden)]),
        ...withNode.map((one): [string, string[]] => [
          `root in ${one.name}`,
          probeInContainer(one.name, forbidden, '0'),
        ]),
        ...services
          .filter((one) => one.image !== 'node')
          .map((one): [string, string[]] => [one.name, probeInNamespace(one.name, forbidden)]),
      ];
      for (const [where, answers] of tries) {
        const wrong = answers.findIndex((answer) => !/^E[A-Z_]+$/.test(answer));
        expect(wrong === -1, `${where}: ${forbidden[wrong]?.join(':')} ${answers[wrong]}`);
      }
      const packets = uplinkPackets() - before;
      expect(packets === 0, `the uplink counted ${packets} packets`);
      return `${tries.length * forbidden.length} connections tried from ${tries.length} places, 0 packets on the uplink`;
    },
  );

  await check('every container is confined', () => {
    for (const service of services) {
      const pid = must(
        'nsenter',
        asUser('secai', ['podman', 'inspect', '--format', '{{.State.Pid}}', `secai-${service.name}`]),
      ).trim();
      const status = readFileSync(`/proc/${pid}/status`, 'utf8');
      const field = (name: string): string => new RegExp(`^${name}:\\s*(.*)$`, 'm').exec(status)?.[1] ?? '';
      expect(field('NoNewPrivs') === '1', `${service.name}: NoNewPrivs ${field('NoNewPrivs')}`);
      expect(field('Seccomp') === '2', `${service.name}: Seccomp ${field('Seccomp')}`);
      expect(/^0+$/.test(field('CapBnd')), `${service.name}: CapBnd ${field('CapBnd')}`);
      expect(field('Uid').startsWith(String(1_000_000 + service.uid - 1)), `${service.name}: Uid ${field('Uid')}`);
      const mounts = readFileSync(`/proc/${pid}/mounts`, 'utf8');
      expect(/^\S+ \/ overlay ro,/m.test(mounts), `${service.name}: its root is writable`);
    }
    return `${services.length} containers: no capabilities, seccomp, no new privileges, read-only root, own uid`;
  });

  // After the silent check: what the uplink still carries of these connections would be counted there.
  await check('the airlock user reaches port 443 outside and nothing else', () => {
    const refused: Target[] = [
      [outsideServer, 80],
      [outsideServer, 22],
      [outsideResolver, 53],
      ['10.78.0.1', 443],
      ['192.168.1.1', 443],
    ];
    const before = uplinkPackets();
    const [https, ...others] = probeAsUser('secai-airlock', [[outsideServer, 443], ...refused]);
    expect(https === 'reached', `port 443: ${https}`);
    expect(
      !others.includes('reached'),
      `${refused.map((target, index) => `${target.join(':')} ${others[index]}`).join(', ')}`,
    );
    expect(uplinkPackets() > before, 'the counter of the uplink did not move: it proves nothing above');
    return '443 reached; 80, 22, 53, host and private addresses refused';
  });
}

/** Packets that left the egress namespace towards the outside since the machine started. */
export function uplinkPackets(): number {
  const egress = must('ip', ['netns', 'exec', 'secai-egress', 'cat', '/sys/class/net/uplink0/statistics/tx_packets']);
  return Number(egress);
}

function mainPid(unit: string): string {
  return must('systemctl', ['show', '-p', 'MainPID', '--value', unit]).trim();
}
