/** The contributor stack for podman-compose: source mounted read-only, restart on change, same networks and as much of the hardening as compose can say. */
import { type Service, serviceByName, services } from '../services.ts';
import { addressTowards, flows, networks, networksOf } from './addresses.ts';
import { environment } from './quadlets.ts';
import { secretsOf } from './secrets.ts';

const secretsFolder = './.secai/dev-secrets';

export function composeFile(): string {
  return [
    '# Emitted from shared/topology by `node shared/topology/src/emit/main.ts`; edit the topology instead.',
    '# Start it with `node containers/dev.ts up`, which makes the secrets first.',
    'name: secai-dev',
    'services:',
    ...services.flatMap(serviceLines),
    'networks:',
    ...networks().flatMap((one) => [
      `  ${one.name}:`,
      // A published port needs a way in from the host, which an internal network has not.
      `    internal: ${one.name.startsWith('front--') ? 'false' : 'true'}`,
      '    ipam:',
      '      config:',
      `        - subnet: ${one.subnet}`,
    ]),
    'volumes:',
    ...volumeOwners().flatMap(([name, uid]) => [`  ${name}:`, '    driver_opts:', `      o: "uid=${uid},gid=${uid}"`]),
    'secrets:',
    ...secretNames().flatMap((name) => [`  ${name}:`, `    file: ${secretsFolder}/${name}`]),
    '',
  ].join('\n');
}

function serviceLines(service: Service): string[] {
  const fromSource = service.image === 'node';
  const secrets = secretsOf(service);
  const variables = { ...environment(service), ...(fromSource ? { SECAI_MODE: 'evaluation' } : {}) };
  const callees = flows().filter((flow) => flow.from === service.name);
  return [
    `  ${service.name}:`,
    `    container_name: secai-dev-${service.name}`,
    `    image: localhost/secai/${fromSource ? (service.engine ? 'llama-server' : 'base') : service.name}:latest`,
    '    pull_policy: never',
    ...(fromSource
      ? [
          '    entrypoint: ["/usr/bin/node", "--watch", "--watch-preserve-output"]',
          `    command: ["/src/services/${service.name}/src/main.ts"]`,
          '    working_dir: /src',
        ]
      : []),
    `    user: "${service.uid}:${service.uid}"`,
    `    hostname: ${service.name}`,
    '    read_only: true',
    '    cap_drop: [ALL]',
    '    security_opt: ["no-new-privileges:true"]',
    `    mem_limit: ${service.limits.memoryMb * (fromSource ? 2 : 1)}m`,
    `    cpus: ${service.limits.cpus}`,
    `    pids_limit: ${service.limits.pids * 2}`,
    '    tmpfs: ["/tmp:rw,size=64m,mode=1777,nosuid,nodev"]',
    '    environment:',
    ...Object.entries(variables).map(([key, value]) => `      ${key}: ${JSON.stringify(value)}`),
    ...(secrets.some((secret) => secret.env) ? [`    env_file: ["${secretsFolder}/${service.name}.env"]`] : []),
    '    secrets:',
    ...secrets.filter((secret) => !secret.env).map((secret) => `      - ${secret.name}`),
    '    volumes:',
    ...(fromSource ? ['      - ./:/src:ro'] : []),
    `      - state-${service.name}:/state`,
    ...(fromSource ? [`      - audit-${service.name}:/audit`] : []),
    ...service.volumes.map((volume) => `      - ${volume.name}:/${volume.name}:${volume.access}`),
    ...(callees.length > 0
      ? ['    extra_hosts:', ...callees.map((flow) => `      - "${flow.to}:${addressTowards(flow.to, service.name)}"`)]
      : []),
    ...(service.published ? ['    ports:', `      - "127.0.0.1:${service.port}:${service.port}"`] : []),
    ...(service.after.length > 0 ? ['    depends_on:', ...service.after.map((name) => `      - ${name}`)] : []),
    '    networks:',
    ...networksOf(service.name).flatMap((one) => [
      `      ${one.name}:`,
      `        ipv4_address: ${one.members.find((member) => member.service === service.name)!.address}`,
    ]),
  ];
}

/** Each volume with the uid of its writer. */
function volumeOwners(): [string, number][] {
  return services.flatMap((service) => [
    [`state-${service.name}`, service.uid] as [string, number],
    ...(service.image === 'node' ? [[`audit-${service.name}`, service.uid] as [string, number]] : []),
    ...service.volumes
      .filter((volume) => volume.access === 'rw')
      .map((volume) => [volume.name, service.uid] as [string, number]),
  ]);
}

function secretNames(): string[] {
  return [
    ...new Set(
      services.flatMap((service) =>
        secretsOf(serviceByName(service.name))
          .filter((one) => !one.env)
          .map((one) => one.name),
      ),
    ),
  ];
}
