/** The strings of the wire as Cedar entities. */
import type { EntityJson, TypeAndId } from './cedar.ts';
import { ancestorsOf, nameFault, pathFault, readDestination } from './names.ts';

export interface Resource {
  uid: TypeAndId;
  /** The entity with its attributes and parents, when it has any. */
  entities: EntityJson[];
}

/** The attributes that resources get, by type. Types that are not listed get none. */
export const RESOURCE_ATTRIBUTES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  Path: { path: 'String', name: 'String' },
  Destination: {
    scheme: 'String',
    host: 'String',
    port: 'Long',
    path: 'String',
    ip_literal: 'Bool',
    local_name: 'Bool',
  },
};

/** `user` and `user:<name>` are people; everything else names a service. */
export function principalOf(text: string): TypeAndId | string {
  const fault = nameFault(text);
  if (fault) return `the principal ${fault}`;
  if (text === 'user') return { type: 'User', id: 'user' };
  if (text.startsWith('user:')) return { type: 'User', id: text.slice('user:'.length) };
  return { type: 'Service', id: text };
}

/**
 * The resource as the schema's type asks. A `Path` lies in every folder above it, so that `resource in Path::"/a"` cannot
 * match a sibling `/ab`; a `Destination` lies in the `Host` entries that cover it. Any other type is a bare name.
 * A string says what is wrong.
 */
export function resourceOf(type: string, text: string): Resource | string {
  if (type === 'Path') return pathResource(text);
  if (type === 'Destination') return destinationResource(text);
  const fault = nameFault(text);
  return fault ? `the resource ${fault}` : { uid: { type, id: text }, entities: [] };
}

function pathResource(path: string): Resource | string {
  const fault = pathFault(path);
  if (fault) return `the path ${fault}`;
  const uid = { type: 'Path', id: path };
  const attrs = { path, name: path.slice(path.lastIndexOf('/') + 1) };
  return { uid, entities: [{ uid, attrs, parents: ancestorsOf(path).map((id) => ({ type: 'Path', id })) }] };
}

function destinationResource(text: string): Resource | string {
  const url = readDestination(text);
  if (typeof url === 'string') return `the address ${url}`;
  const uid = { type: 'Destination', id: text };
  const attrs = {
    scheme: url.scheme,
    host: url.host,
    port: url.port,
    path: url.path,
    ip_literal: url.ipLiteral,
    local_name: url.localName,
  };
  return { uid, entities: [{ uid, attrs, parents: url.coveredBy.map((id) => ({ type: 'Host', id })) }] };
}
