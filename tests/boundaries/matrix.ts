/** For every ordered pair of containers and every port of the topology: a connection succeeds if and only if the topology has that edge. Real packets, inside the booted machine. */
import { flows, networks } from '../../shared/topology/src/emit/addresses.ts';
import { services } from '../../shared/topology/src/index.ts';
import { probeInContainer, probeInNamespace } from '../vm/guest/prober.ts';
import { check, expect, report } from '../vm/guest/report.ts';

interface Attempt {
  from: string;
  to: string;
  host: string;
  port: number;
  allowed: boolean;
}

const extraPorts = [1, 22, 53, 80, 443, 8080, 65535];

/** Every address of every other container, on every port of the topology and some that nobody should have. */
export function attempts(): Attempt[] {
  const ports = [...new Set([...services.map((service) => service.port), ...extraPorts])];
  const allowed = new Set(flows().map((flow) => `${flow.from} ${flow.to} ${flow.port}`));
  return services.flatMap((from) =>
    networks().flatMap((network) =>
      network.members
        .filter((member) => member.service !== from.name)
        .flatMap((member) =>
          ports.map((port) => ({
            from: from.name,
            to: member.service,
            host: member.address,
            port,
            allowed:
              allowed.has(`${from.name} ${member.service} ${port}`) &&
              network.members.some((one) => one.service === from.name),
          })),
        ),
    ),
  );
}

export async function runMatrix(): Promise<void> {
  const all = attempts();
  const wrong: string[] = [];
  let reached = 0;
  await check('a pair of containers connects if and only if the topology has the edge', () => {
    for (const service of services) {
      const mine = all.filter((attempt) => attempt.from === service.name);
      const targets = mine.map((attempt) => [attempt.host, attempt.port] as const);
      const probe = service.image === 'node' ? probeInContainer : probeInNamespace;
      const results = probe(service.name, targets);
      for (const [index, attempt] of mine.entries()) {
        if (results[index] === 'reached') reached++;
        if ((results[index] === 'reached') !== attempt.allowed) {
          wrong.push(`${attempt.from} → ${attempt.to} ${attempt.host}:${attempt.port} ${results[index]}`);
        }
      }
    }
    report({ kind: 'measure', name: 'boundary connections tried', value: all.length, unit: '' });
    report({ kind: 'measure', name: 'boundary connections allowed', value: reached, unit: '' });
    report({ kind: 'measure', name: 'boundary connections refused', value: all.length - reached, unit: '' });
    expect(wrong.length === 0, `${wrong.length} of ${all.length} are wrong: ${wrong.slice(0, 8).join('; ')}`);
    const pairs = new Set(all.map((attempt) => `${attempt.from} ${attempt.to}`)).size;
    return `${pairs} pairs, ${all.length} connections tried, ${reached} allowed, ${all.length - reached} refused`;
  });
}
