/** A domain's Cedar schema, read once into checks and conversions that run on every request. */
import { type CedarValueJson, type DetailedError, type SchemaJson, schemaToJsonWithResolvedTypes } from './cedar.ts';
import { RESOURCE_ATTRIBUTES } from './entities.ts';
import { PolicyError, type PolicyProblem } from './error.ts';
import { hostFault, pathFault } from './names.ts';
import { placeOf } from './places.ts';

/** Turns a value of the wire into Cedar's JSON; adds a sentence to `faults` for each thing that is not as declared. */
export type Converter = (value: unknown, where: string, faults: string[]) => CedarValueJson;

export interface ActionSchema {
  principalTypes: ReadonlySet<string>;
  resourceType: string;
  context: Converter;
  /** Names of the context's attributes whose type is the common type `Label`. */
  labels: readonly string[];
}

export interface DomainSchema {
  text: string;
  actions: ReadonlyMap<string, ActionSchema>;
  /** Enumerated types, without those that are principals or resources. Their values travel as plain strings. */
  enums: ReadonlyMap<string, readonly string[]>;
  /** Enumerated types that are resources, e.g. sinks. */
  resourceEnums: ReadonlyMap<string, readonly string[]>;
}

type ResolvedType = { type: string; name?: string; element?: ResolvedType; attributes?: Record<string, Attribute> };
type Attribute = ResolvedType & { required?: boolean };
type Namespace = SchemaJson<string>[string];

/** Names that Cedar's JSON gives a meaning of their own. */
const RESERVED = new Set(['__entity', '__extn', '__expr', '__proto__']);

/** Reads a schema. Throws PolicyError `invalid_schema` that names file and line. */
export function readSchema(source: { file: string; text: string }): DomainSchema {
  const answer = schemaToJsonWithResolvedTypes(source.text);
  const reported: DetailedError[] = answer.type === 'failure' ? answer.errors : answer.warnings;
  if (answer.type === 'failure' || reported.length > 0)
    throw new PolicyError(
      'invalid_schema',
      reported.map((error) => schemaProblem(source, error)),
    );
  const refuse = (message: string): never => {
    throw new PolicyError('invalid_schema', [{ file: source.file, message }]);
  };
  const namespace = answer.json[''];
  if (!namespace || Object.keys(answer.json).length !== 1) return refuse('declare everything outside of a namespace');
  return new Reader(namespace, source.text, refuse).read();
}

function schemaProblem(source: { file: string; text: string }, error: DetailedError): PolicyProblem {
  const label = error.sourceLocations?.[0]?.label;
  return {
    file: source.file,
    ...placeOf(source.text, error),
    message: label ? `${error.message}; ${label}` : error.message,
  };
}

class Reader {
  readonly #namespace: Namespace;
  readonly #text: string;
  readonly #refuse: (message: string) => never;

  constructor(namespace: Namespace, text: string, refuse: (message: string) => never) {
    this.#namespace = namespace;
    this.#text = text;
    this.#refuse = refuse;
  }

  read(): DomainSchema {
    const actions = new Map<string, ActionSchema>();
    const subjects = new Set<string>();
    for (const [verb, action] of Object.entries(this.#namespace.actions)) {
      const applies = action.appliesTo;
      if (!applies) return this.#refuse(`action "${verb}" applies to nothing`);
      if (applies.resourceTypes.length !== 1) return this.#refuse(`action "${verb}" needs exactly one resource type`);
      for (const type of applies.principalTypes)
        if (type !== 'Service' && type !== 'User') this.#refuse(`action "${verb}": "${type}" is not Service or User`);
      const context = (applies.context ?? { type: 'Record', attributes: {} }) as ResolvedType;
      const attributes = this.#attributesOf(context, `the context of "${verb}"`);
      actions.set(verb, {
        principalTypes: new Set(applies.principalTypes),
        resourceType: applies.resourceTypes[0]!,
        context: this.#record(attributes, `the context of "${verb}"`),
        labels: Object.keys(attributes).filter((name) => attributes[name]!.type === 'Label'),
      });
      this.#checkResource(applies.resourceTypes[0]!);
      subjects.add(applies.resourceTypes[0]!);
    }
    if (actions.size === 0) return this.#refuse('the schema declares no action');
    const all = Object.entries(this.#namespace.entityTypes).flatMap(([name, type]) =>
      'enum' in type ? [[name, type.enum as string[]] as const] : [],
    );
    return {
      text: this.#text,
      actions,
      enums: new Map(all.filter(([name]) => !subjects.has(name))),
      resourceEnums: new Map(all.filter(([name]) => subjects.has(name))),
    };
  }

  /** A declared attribute that no resource gets would make every rule fail that reads it. */
  #checkResource(name: string): void {
    const type = this.#namespace.entityTypes[name];
    const shape = type && 'shape' in type ? (type.shape as ResolvedType) : { type: 'Record' };
    const given = RESOURCE_ATTRIBUTES[name] ?? {};
    for (const [attribute, { type: declared }] of Object.entries(this.#attributesOf(shape, name)))
      if (given[attribute] !== declared) this.#refuse(`${name} has no attribute ${attribute} of type ${declared}`);
  }

  #attributesOf(type: ResolvedType, where: string): Record<string, Attribute> {
    const common = this.#namespace.commonTypes?.[type.type];
    if (common) return this.#attributesOf(common as ResolvedType, where);
    if (type.type !== 'Record') return this.#refuse(`${where} is not a record`);
    return type.attributes ?? {};
  }

  #convert(type: ResolvedType, where: string): Converter {
    switch (type.type) {
      case 'Bool':
      case 'Boolean':
        return primitive('true or false', (value) => typeof value === 'boolean');
      case 'Long':
        return primitive('a whole number', Number.isSafeInteger);
      case 'String':
        return primitive('a string', (value) => typeof value === 'string' && value.isWellFormed());
      case 'Set':
        return setOf(this.#convert(type.element!, where));
      case 'Record':
        return this.#record(type.attributes ?? {}, where);
      case 'Entity':
        return this.#entity(type.name!, where);
      default: {
        const common = this.#namespace.commonTypes?.[type.type];
        if (common) return this.#convert(common as ResolvedType, where);
        return this.#refuse(`${where} uses the type ${type.type}; use Bool, Long, String, Set, a record or an enum`);
      }
    }
  }

  #entity(name: string, where: string): Converter {
    const declared = this.#namespace.entityTypes[name];
    if (declared && 'enum' in declared) return enumeration(declared.enum as string[]);
    if (name === 'Path') return named('Path', pathFault);
    if (name === 'Host') return named('Host', hostFault);
    return this.#refuse(`${where} uses the entity type ${name}; only enums, Path and Host can come from the wire`);
  }

  #record(attributes: Record<string, Attribute>, where: string): Converter {
    const members = new Map<string, { convert: Converter; required: boolean }>();
    for (const [name, type] of Object.entries(attributes)) {
      if (RESERVED.has(name)) this.#refuse(`${where} uses the reserved name ${name}`);
      members.set(name, { convert: this.#convert(type, `${where}, ${name}`), required: type.required !== false });
    }
    return record(members);
  }
}

function primitive(expected: string, accepts: (value: unknown) => boolean): Converter {
  return (value, where, faults) => {
    if (!accepts(value)) faults.push(`${where} must be ${expected}`);
    return value as CedarValueJson;
  };
}

function enumeration(values: readonly string[]): Converter {
  const known = new Set<unknown>(values);
  return primitive(`one of ${values.join(', ')}`, (value) => known.has(value));
}

function named(type: string, fault: (text: string) => string | undefined): Converter {
  return (value, where, faults) => {
    const wrong = typeof value === 'string' ? fault(value) : 'must be a string';
    if (wrong) faults.push(`${where} ${wrong}`);
    return { __entity: { type, id: value as string } };
  };
}

function setOf(element: Converter): Converter {
  return (value, where, faults) => {
    if (Array.isArray(value)) return value.map((item, index) => element(item, `${where}[${index}]`, faults));
    faults.push(`${where} must be a list`);
    return [];
  };
}

function record(members: Map<string, { convert: Converter; required: boolean }>): Converter {
  return (value, where, faults) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      faults.push(`${where} must be an object`);
      return {};
    }
    const source = value as Record<string, unknown>;
    const result: Record<string, CedarValueJson> = {};
    for (const name of Object.keys(source)) {
      const member = members.get(name);
      if (member) result[name] = member.convert(source[name], `${where}.${name}`, faults);
      else faults.push(`${where}.${shown(name)} is not known here`);
    }
    for (const [name, member] of members)
      if (member.required && !Object.hasOwn(source, name)) faults.push(`${where}.${name} is missing`);
    return result;
  };
}

function shown(name: string): string {
  return JSON.stringify(name.length > 60 ? `${name.slice(0, 60)}…` : name).slice(1, -1);
}
