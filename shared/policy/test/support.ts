import { type Domain, loadDomain } from '@secai/policy';

/** A schema with every feature that a domain may use. */
export const SCHEMA = `
entity Service;
entity User;
entity Level enum ["low", "mid", "high"];
entity Colour enum ["red", "green"];
entity Host;
entity Path in [Path] { path: String, name: String };
entity Destination in [Host] {
  scheme: String, host: String, port: Long, path: String, ip_literal: Bool, local_name: Bool
};
entity Thing;
entity Sink enum ["near", "far"];
type Label = { level: Level, sources?: Set<String> };

action "use" appliesTo {
  principal: [Service, User],
  resource: Thing,
  context: {
    label: Label,
    count: Long,
    flag?: Bool,
    colour?: Colour,
    words?: Set<String>,
    pair?: { level: Level, more: Bool },
    nested?: { inner: { deep: String } },
  },
};
action "drop" appliesTo { principal: Service, resource: Thing, context: { label: Label, count: Long, pair?: { level: Level, more: Bool } } };
action "open" appliesTo { principal: [Service, User], resource: Path, context: { roots: Set<Path> } };
action "visit" appliesTo { principal: Service, resource: Destination, context: { allowlist: Set<Host> } };
action "flow" appliesTo { principal: Service, resource: Sink };
`;

export function domainOf(...texts: string[]): Domain {
  return loadDomain({
    domain: 'sample',
    schema: { file: 'sample.cedarschema', text: SCHEMA },
    policies: texts.map((text, index) => ({ file: index === 0 ? 'sample.cedar' : `overlay${index}.cedar`, text })),
  });
}

/** A rule text with the annotations that every rule needs. */
export function rule(id: string, body: string, reason = `Because of ${id}.`): string {
  return `@id("${id}")\n@reason("${reason}")\n${body}\n`;
}

export const label = { level: 'low' };
