/** Quadlet units for podman 5.4 (an unknown key silently drops a whole unit: newer options go through PodmanArgs=). */
import { edgesFrom } from '../edges.ts';
import { type Service, type ServiceName, serviceByName, services } from '../services.ts';
import { addressTowards, flows, networks, networksOf } from './addresses.ts';
import { secretsOf, sqlRole } from './secrets.ts';

const notice =
  '# Emitted from shared/topology by `node shared/topology/src/emit/main.ts`; edit the topology instead.\n';
const noNetworkWait = '[Quadlet]\nDefaultDependencies=false\n';
/** Stands where the digest belongs until `npm run build:images` writes the drop-in; no image has it, so a unit without its drop-in stays down. */
export const unsetDigest = `sha256:${'0'.repeat(64)}`;

export function unitName(name: ServiceName): string {
  return `secai-${name}`;
}

/** Services that start only behind the attestation gate: all but the attestor itself and what it needs. */
export function gatedServices(): Service[] {
  const free = new Set<string>();
  const release = (name: string): void => {
    const service = services.find((one) => one.name === name);
    if (!service || free.has(name)) return;
    free.add(name);
    for (const needed of service.after) release(needed);
  };
  release('runtime-attestor');
  return services.filter((service) => !free.has(service.name));
}

export function containerUnit(service: Service): string {
  const gated = gatedServices().includes(service);
  const needed = [
    'secai-secrets.service',
    ...(gated ? ['secai-attested.target'] : []),
    ...service.after.map((name) => `${unitName(name)}.service`),
  ];
  const health =
    service.image === 'postgres'
      ? ['/usr/lib/postgresql/17/bin/pg_isready', '--quiet', '--host=127.0.0.1', `--port=${service.port}`]
      : ['/usr/bin/node', '/usr/lib/secai/health.mjs', `http://127.0.0.1:${service.port}/health`];
  const lines = [
    '[Unit]',
    `Description=SecAI ${service.name}: ${service.summary}`,
    `Requires=${needed.join(' ')}`,
    `After=${needed.join(' ')}`,
    // The machine heals when a cause is repaired, so no number of failures is final.
    'StartLimitIntervalSec=0',
    '',
    '[Container]',
    `ContainerName=${unitName(service.name)}`,
    `Image=localhost/secai/${service.name}@${unsetDigest}`,
    'Pull=never',
    `HostName=${service.name}`,
    `User=${service.uid}`,
    `Group=${service.uid}`,
    'ReadOnly=true',
    'ReadOnlyTmpfs=false',
    `Tmpfs=/tmp:rw,size=${tmpMb(service)}m,mode=1777,noexec,nosuid,nodev`,
    'NoNewPrivileges=true',
    'DropCapability=all',
    `SeccompProfile=/usr/share/secai/seccomp/${service.name}.json`,
    `PodmanArgs=--memory=${service.limits.memoryMb}m --memory-swap=${service.limits.memoryMb}m --cpus=${service.limits.cpus} --http-proxy=false`,
    `PidsLimit=${service.limits.pids}`,
    // A process table of its own for the inner sandbox: the kernel refuses one below a masked /proc.
    ...(service.engine ? ['Unmask=ALL'] : []),
    'Ulimit=core=0:0',
    'Sysctl=net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1',
    ...networksOf(service.name).map(
      (one) =>
        `Network=${one.name}.network:ip=${one.members.find((member) => member.service === service.name)!.address}`,
    ),
    'DNS=none',
    ...calleesOf(service).map((name) => `AddHost=${name}:${addressTowards(name, service.name)}`),
    ...(service.published ? [`PublishPort=127.0.0.1:${service.port}:${service.port}`] : []),
    // The OCI hook that loads the container's packet filter is selected by this annotation.
    `Annotation=org.secai.service=${service.name}`,
    ...Object.entries(environment(service)).map(([key, value]) => `Environment="${key}=${value}"`),
    'EnvironmentFile=/etc/secai/profile.env',
    ...secretsOf(service).map((secret) =>
      secret.env
        ? `Secret=${secret.name},type=env,target=${secret.env}`
        : `Secret=${secret.name},type=mount,uid=${service.uid},gid=${service.uid},mode=0400`,
    ),
    `Volume=state-${service.name}.volume:/state:rw,nosuid,nodev,noexec`,
    ...(service.image === 'node' ? [`Volume=audit-${service.name}.volume:/audit:rw,nosuid,nodev,noexec`] : []),
    ...service.volumes.map(
      (volume) => `Volume=${volume.name}.volume:/${volume.name}:${volume.access},nosuid,nodev,noexec`,
    ),
    `HealthCmd=${JSON.stringify(health)}`,
    'HealthInterval=5m',
    'HealthTimeout=60s',
    'HealthRetries=3',
    'HealthOnFailure=kill',
    `HealthStartupCmd=${JSON.stringify(health)}`,
    'HealthStartupInterval=5s',
    'HealthStartupTimeout=60s',
    'HealthStartupRetries=0',
    'HealthStartupSuccess=1',
    'Notify=healthy',
    'LogDriver=journald',
    'StopTimeout=10',
    '',
    '[Service]',
    'Restart=always',
    'RestartSec=2',
    'RestartSteps=5',
    'RestartMaxDelaySec=60',
    'TimeoutStartSec=900',
    'TimeoutStopSec=30',
    '',
    noNetworkWait,
  ];
  return `${notice}${lines.join('\n')}`.trimEnd().concat('\n');
}

export function networkUnits(): [string, string][] {
  return networks().map((one) => [
    `${one.name}.network`,
    `${notice}[Unit]
Description=SecAI network ${one.members.map((member) => member.service).join(' and ')}
After=secai-secrets.service

[Network]
NetworkName=secai-${one.name}
Subnet=${one.subnet}
Gateway=${one.gateway}
Internal=true
DisableDNS=true
IPv6=false
Options=isolate=strict

${noNetworkWait}`,
  ]);
}

export function volumeUnits(): [string, string][] {
  const own = services.flatMap((service): [string, Service][] => [
    [`state-${service.name}`, service],
    ...(service.image === 'node' ? [[`audit-${service.name}`, service] as [string, Service]] : []),
  ]);
  const shared = services.flatMap((service) =>
    service.volumes
      .filter((volume) => volume.access === 'rw')
      .map((volume): [string, Service] => [volume.name, service]),
  );
  return [...own, ...shared].map(([name, owner]) => [
    `${name}.volume`,
    `${notice}[Unit]
Description=SecAI volume ${name}, written by ${owner.name}
After=secai-secrets.service

[Volume]
VolumeName=secai-${name}
User=${owner.uid}
Group=${owner.uid}

${noNetworkWait}`,
  ]);
}

/** Everything is up: goes away with the first service that stops for good, comes back with it (secai-heal.timer). */
export function mainTarget(): string {
  const all = services.map((service) => `${unitName(service.name)}.service`).join(' ');
  return `${notice}[Unit]
Description=SecAI OS is ready
ConditionUser=secai
BindsTo=${all}
After=${all}
`;
}

/** Callees with the flows that the topology knows, the store included. */
function calleesOf(service: Service): ServiceName[] {
  return flows()
    .filter((flow) => flow.from === service.name)
    .map((flow) => flow.to);
}

/** The environment contract of the kit, without what differs per machine. */
export function environment(service: Service): Record<string, string> {
  if (service.image === 'postgres') {
    const clients = services
      .filter((one) => one.sql)
      .map((one) => `${sqlRole(one)} ${addressTowards(one.name, service.name)}`);
    return { SECAI_PG_PORT: String(service.port), SECAI_PG_CLIENTS: clients.join(',') };
  }
  return {
    SECAI_LISTEN: `0.0.0.0:${service.port}`,
    SECAI_TOKENS: '/run/secrets',
    SECAI_CALLERS: `/run/secrets/${service.name}.callers`,
    SECAI_AUDIT_KEY: `/run/secrets/${service.name}.audit-key`,
    SECAI_STATE_DIR: '/state',
    ...(service.engine ? { SECAI_LLAMA_SERVER: '/usr/bin/llama-server' } : {}),
    SECAI_AUDIT_DIR: '/audit',
    ...Object.fromEntries(
      service.volumes.map((volume) => [`SECAI_DIR_${volume.name.toUpperCase()}`, `/${volume.name}`]),
    ),
    ...Object.fromEntries(
      edgesFrom(service.name).map((edge) => [
        `SECAI_PEER_${edge.to.toUpperCase().replaceAll('-', '_')}`,
        `http://${edge.to}:${serviceByName(edge.to).port}`,
      ]),
    ),
  };
}

function tmpMb(service: Service): number {
  return service.engine ? 64 : 16;
}
