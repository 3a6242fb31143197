/** The services of the machine. Launcher, Quadlets, compose file, README table and firewall sets are all made from this. */

export type Zone = 'state' | 'acquisition' | 'quarantine' | 'runtime' | 'agent' | 'airlock' | 'enforcement' | 'user';

/** A folder shared between services: `$SECAI_HOME/<name>` for the launcher, a named volume for containers. */
export interface Volume {
  name: 'models' | 'quarantine';
  access: 'ro' | 'rw';
}

export interface Service {
  /** Name of the process, the container (`secai-<name>`), the unit and the host on the container networks. */
  name: ServiceName;
  /** TCP port on loopback or on the container network; the store is a unix socket for the launcher. */
  port: number;
  zone: Zone;
  /** One line for tables and unit descriptions. */
  summary: string;
  /** `node`: built from services/<name> with the shared Containerfile. Otherwise the folder under containers/. */
  image: 'node' | 'postgres';
  /** Services that must be ready before this one starts. */
  after: ServiceName[];
  /** Needs SQL: gets DATABASE_URL and an edge to the store. */
  sql: boolean;
  volumes: Volume[];
  /** What Node's permission model must allow beyond reading its own code and writing its own state. */
  allow: ('child-process' | 'addons' | 'worker')[];
  /** Runs models: its container is built on the one that carries llama-server. */
  engine?: true;
  /** Hard caps in containers. */
  limits: { memoryMb: number; cpus: number; pids: number };
  /** User id inside the container; distinct per service. */
  uid: number;
  /** Reached from outside the sealed namespace (through the socket proxy). */
  published: boolean;
}

export type ServiceName = 'store' | 'policy-engine' | 'registry' | 'quarantine' | 'inference-worker' | 'ui';

export const services: readonly Service[] = [
  {
    name: 'store',
    port: 5432,
    zone: 'state',
    summary: 'SQL for the services that keep relational state',
    image: 'postgres',
    after: [],
    sql: false,
    volumes: [],
    allow: [],
    limits: { memoryMb: 1024, cpus: 1, pids: 128 },
    uid: 201,
    published: false,
  },
  {
    name: 'policy-engine',
    port: 8500,
    zone: 'enforcement',
    summary: 'decides allow, ask or deny for six domains, with evidence',
    image: 'node',
    after: [],
    sql: false,
    volumes: [],
    allow: [],
    limits: { memoryMb: 256, cpus: 1, pids: 64 },
    uid: 202,
    published: false,
  },
  {
    name: 'registry',
    port: 8470,
    zone: 'runtime',
    summary: 'keeps promoted models read-only, pinned and signed',
    image: 'node',
    after: ['policy-engine'],
    sql: false,
    volumes: [
      { name: 'models', access: 'rw' },
      { name: 'quarantine', access: 'ro' },
    ],
    allow: [],
    limits: { memoryMb: 256, cpus: 1, pids: 64 },
    uid: 203,
    published: false,
  },
  {
    name: 'quarantine',
    port: 8471,
    zone: 'quarantine',
    summary: 'takes every model through seven stages before promotion',
    image: 'node',
    after: ['store', 'policy-engine', 'registry'],
    sql: true,
    volumes: [{ name: 'quarantine', access: 'rw' }],
    allow: ['child-process', 'addons'],
    engine: true,
    limits: { memoryMb: 4096, cpus: 2, pids: 128 },
    uid: 204,
    published: false,
  },
  {
    name: 'inference-worker',
    port: 8465,
    zone: 'runtime',
    summary: 'runs promoted models in a sandboxed engine',
    image: 'node',
    after: ['registry'],
    sql: false,
    volumes: [{ name: 'models', access: 'ro' }],
    allow: ['child-process', 'addons'],
    engine: true,
    limits: { memoryMb: 8192, cpus: 2, pids: 128 },
    uid: 205,
    published: false,
  },
  {
    name: 'ui',
    port: 8480,
    zone: 'user',
    summary: 'the web page and the OpenAI-compatible API',
    image: 'node',
    after: ['store', 'policy-engine', 'registry', 'quarantine', 'inference-worker'],
    sql: true,
    volumes: [],
    allow: [],
    limits: { memoryMb: 512, cpus: 1, pids: 64 },
    uid: 206,
    published: true,
  },
];

export const serviceNames: readonly ServiceName[] = services.map((service) => service.name);

/** The entry of a service. Throws for a name that is not in the topology. */
export function serviceByName(name: string): Service {
  const service = services.find((candidate) => candidate.name === name);
  if (!service) throw new Error(`"${name}" is not a service; the topology knows ${serviceNames.join(', ')}`);
  return service;
}

/** Services in an order in which each comes after those it needs. Throws when the dependencies form a circle. */
export function startOrder(): Service[] {
  const done: Service[] = [];
  const visiting = new Set<string>();
  const visit = (service: Service): void => {
    if (done.includes(service)) return;
    if (visiting.has(service.name))
      throw new Error(`${service.name} depends on itself through ${[...visiting].join(' → ')}`);
    visiting.add(service.name);
    for (const name of service.after) visit(serviceByName(name));
    visiting.delete(service.name);
    done.push(service);
  };
  for (const service of services) visit(service);
  return done;
}
