/** The container networks: one per pair of services that talk, fixed addresses, no name server. */
import { edges } from '../edges.ts';
import { type Service, type ServiceName, serviceByName, services } from '../services.ts';

/** Who may open a connection to whom, with the port; HTTP edges and the SQL edges to the store. */
export interface Flow {
  from: ServiceName;
  to: ServiceName;
  port: number;
}

export interface ContainerNetwork {
  /** File stem of the .network unit. */
  name: string;
  /** IPv4 /29. */
  subnet: string;
  gateway: string;
  members: { service: ServiceName; address: string }[];
}

const firstUid = 200;
const maxNumber = 31;

/** 1–31, from the service's uid: addresses stay the same when other services come and go. Throws outside the range. */
export function serviceNumber(service: Service): number {
  const number = service.uid - firstUid;
  if (!Number.isInteger(number) || number < 1 || number > maxNumber) {
    throw new Error(
      `${service.name} has uid ${service.uid}; the address plan has room for ${firstUid + 1}–${firstUid + maxNumber}`,
    );
  }
  return number;
}

export function flows(): Flow[] {
  const http = edges.flatMap((edge) =>
    edge.from === 'operator' ? [] : [{ from: edge.from, to: edge.to, port: serviceByName(edge.to).port }],
  );
  const sql = services
    .filter((service) => service.sql)
    .map((service) => ({ from: service.name, to: 'store' as const, port: serviceByName('store').port }));
  return [...sql, ...http];
}

/**
 * One network per pair, 10.90.<lower>.<8·higher>/29 with the services' numbers, and one network of its own per published service
 * (10.90.0.<8·number>/29), which only the socket proxy reaches.
 */
export function networks(): ContainerNetwork[] {
  const pairs = new Map<string, ContainerNetwork>();
  for (const flow of flows()) {
    const [low, high] = [serviceByName(flow.from), serviceByName(flow.to)].sort(
      (a, b) => serviceNumber(a) - serviceNumber(b),
    ) as [Service, Service];
    const name = `${low.name}--${high.name}`;
    pairs.set(name, network(name, serviceNumber(low), serviceNumber(high), [low.name, high.name]));
  }
  const fronts = services
    .filter((service) => service.published)
    .map((service) => network(`front--${service.name}`, 0, serviceNumber(service), [service.name]));
  return [...pairs.values(), ...fronts].sort((a, b) => (a.name < b.name ? -1 : 1));
}

function network(name: string, low: number, high: number, members: ServiceName[]): ContainerNetwork {
  const host = (offset: number): string => `10.90.${low}.${high * 8 + offset}`;
  return {
    name,
    subnet: `${host(0)}/29`,
    gateway: host(1),
    members: members.map((service, index) => ({ service, address: host(2 + index) })),
  };
}

export function networksOf(service: ServiceName): ContainerNetwork[] {
  return networks().filter((one) => one.members.some((member) => member.service === service));
}

/** Address of `service` on the network it shares with `peer`. Throws when they share none. */
export function addressTowards(service: ServiceName, peer: ServiceName): string {
  const shared = networksOf(service).find((one) => one.members.some((member) => member.service === peer));
  const address = shared?.members.find((member) => member.service === service)?.address;
  if (!address) throw new Error(`${service} and ${peer} share no network`);
  return address;
}
