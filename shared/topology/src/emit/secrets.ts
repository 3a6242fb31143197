/** What `secai-secrets` makes before any container starts; one line per secret, read by a shell loop. */
import { edges, edgesFrom, edgesTo } from '../edges.ts';
import { type Service, services } from '../services.ts';

/** `policy-engine` → `policy_engine`: role and database of a service. */
export function sqlRole(service: Service): string {
  return service.name.replaceAll('-', '_');
}

/** Names of the podman secrets a container gets, with how it sees them. */
export function secretsOf(service: Service): { name: string; env?: string }[] {
  const tokens = edgesFrom(service.name).map((edge) => ({ name: `${edge.from}--${edge.to}` }));
  if (service.image === 'postgres') {
    return services.filter((one) => one.sql).map((one) => ({ name: `postgres--${sqlRole(one)}` }));
  }
  return [
    { name: `${service.name}.callers` },
    { name: `${service.name}.audit-key` },
    ...tokens,
    ...(service.sql ? [{ name: `${service.name}.database-url`, env: 'DATABASE_URL' }] : []),
  ];
}

export function secretsPlan(): string {
  const lines = [
    ...edges.map((edge) => `token ${edge.from} ${edge.to}`),
    ...services
      .filter((one) => one.image === 'node')
      .map(
        (one) =>
          `callers ${one.name} ${edgesTo(one.name)
            .map((edge) => edge.from)
            .join(' ')}`,
      ),
    ...services.filter((one) => one.image === 'node').map((one) => `audit-key ${one.name}`),
    ...services.filter((one) => one.sql).map((one) => `database ${one.name} ${sqlRole(one)}`),
  ];
  return `${lines.map((line) => line.trim()).join('\n')}\n`;
}
