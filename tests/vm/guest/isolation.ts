/** The network shape of the booted machine, apart from the pairs of containers (tests/boundaries). */
import { readFileSync, readlinkSync } from 'node:fs';
import { services } from '../../../shared/topology/src/index.ts';
import { check, expect } from './report.ts';
import { asUser, must, podman, sh } from './shell.ts';

const outsideServer = '203.0.113.100';
const outsideResolver = '203.0.113.3';

const connectScript = (host: string, port: number): string =>
  `const s=require('node:net').connect({host:'${host}',port:${port},timeout:4000});s.on('connect',()=>{console.log('reached');process.exit()});s.on('timeout',()=>{console.log('ETIMEDOUT');process.exit()});s.on('error',e=>{console.log(e.code);process.exit()})`;

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

  await check('the airlock user reaches port 443 outside and nothing else', () => {
    const node = '/usr/lib/secai-test/node';
    const tried = ([host, port]: [string, number]): string =>
      sh('nsenter', asUser('secai-airlock', [node, '-e', connectScript(host, port)])).out.trim();
    expect(tried([outsideServer, 443]) === 'reached', `port 443: ${tried([outsideServer, 443])}`);
    for (const target of [
      [outsideServer, 80],
      [outsideServer, 22],
      [outsideResolver, 53],
      ['10.78.0.1', 443],
      ['192.168.1.1', 443],
    ] as [string, number][]) {
      expect(tried(target) !== 'reached', `${target.join(':')} was reached`);
    }
    return '443 reached; 80, 22, 53, host and private addresses refused';
  });

  await check(
    'nothing of the services user reaches the uplink, as a host user, in a container or as root in one',
    () => {
      const before = uplinkPackets();
      const node = '/usr/lib/secai-test/node';
      const targets: [string, number][] = [
        [outsideServer, 443],
        [outsideServer, 80],
        [outsideResolver, 53],
        ['10.78.0.1', 443],
        ['10.78.0.2', 443],
        ['10.77.0.2', 443],
        ['169.254.1.2', 8480],
      ];
      let tried = 0;
      for (const [host, port] of targets) {
        const script = connectScript(host, port);
        const answers = [
          sh('nsenter', asUser('secai', [node, '-e', script])),
          ...services
            .filter((one) => one.image === 'node')
            .flatMap((one) => [
              podman(['exec', `secai-${one.name}`, '/usr/bin/node', '-e', script]),
              podman(['exec', '--user', '0', `secai-${one.name}`, '/usr/bin/node', '-e', script]),
            ]),
        ];
        for (const answer of answers) {
          tried++;
          expect(
            /^E[A-Z]+$/.test(answer.out.trim()),
            `${host}:${port}: ${answer.out.trim() || answer.err.trim().slice(-200)}`,
          );
        }
      }
      const dns = podman([
        'exec',
        'secai-ui',
        '/usr/bin/node',
        '-e',
        "require('node:dns').lookup('example.com',e=>console.log(e?.code))",
      ]).out.trim();
      expect(/^E[A-Z_]+$/.test(dns), `a name was resolved: ${dns}`);
      const six = podman(['exec', 'secai-ui', '/usr/bin/node', '-e', connectScript('2001:db8::1', 443)]).out.trim();
      expect(/^E[A-Z]+$/.test(six), `IPv6: ${six}`);
      const after = uplinkPackets();
      expect(after === before, `the uplink counted ${after - before} packets`);
      return `${tried} connections tried, 0 packets on the uplink`;
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
}

/** Packets that the egress namespace and the host let out or refused on the way out. */
export function uplinkPackets(): number {
  const egress = must('ip', ['netns', 'exec', 'secai-egress', 'cat', '/sys/class/net/uplink0/statistics/tx_packets']);
  return Number(egress);
}

function mainPid(unit: string): string {
  return must('systemctl', ['show', '-p', 'MainPID', '--value', unit]).trim();
}
