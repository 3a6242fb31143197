/** The packet filter that is loaded into each container's own network namespace before its first instruction. */
import type { Service } from '../services.ts';
import { addressTowards, flows, networksOf } from './addresses.ts';

/**
 * nftables rules of one container: in from its callers to its own port, out to its callees' ports, nothing else. The container has no
 * capability to change them. Networks already separate pairs; this gives each pair its direction and counts what was refused.
 */
export function containerFirewall(service: Service): string {
  const callers = flows().filter((flow) => flow.to === service.name);
  const callees = flows().filter((flow) => flow.from === service.name);
  const front = service.published
    ? networksOf(service.name).map(
        (one) =>
          `ip saddr ${one.gateway} tcp dport ${service.port} counter accept comment "socket proxy over ${one.name}"`,
      )
    : [];
  const into = callers.map(
    (flow) =>
      `ip saddr ${addressTowards(flow.from, service.name)} tcp dport ${service.port} counter accept comment "${flow.from}"`,
  );
  const outOf = callees.map(
    (flow) =>
      `ip daddr ${addressTowards(flow.to, service.name)} tcp dport ${flow.port} counter accept comment "${flow.to}"`,
  );
  return `table inet secai {
  counter refused_in { comment "packets nobody may send to ${service.name}" }
  counter refused_out { comment "packets ${service.name} may not send" }
  chain input {
    type filter hook input priority filter; policy drop;
    iif lo accept
    ct state established,related accept
${lines([...front, ...into])}    counter name refused_in drop
  }
  chain output {
    type filter hook output priority filter; policy drop;
    oif lo accept
    ct state established,related accept
${lines(outOf)}    counter name refused_out reject with icmpx type admin-prohibited
  }
  chain forward {
    type filter hook forward priority filter; policy drop;
  }
}
`;
}

function lines(rules: readonly string[]): string {
  return rules.map((rule) => `    ${rule}\n`).join('');
}
