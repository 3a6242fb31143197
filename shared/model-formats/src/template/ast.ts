/** A node of @huggingface/jinja's AST, seen from outside: `type` and whatever fields that type has. */
export interface Node {
  type: string;
  [field: string]: unknown;
}

/** Every node type the judge knows; another one means a newer parser, and the template is refused. */
export const KNOWN_TYPES: ReadonlySet<string> = new Set([
  'Program',
  'If',
  'For',
  'Break',
  'Continue',
  'Set',
  'Macro',
  'Comment',
  'MemberExpression',
  'CallExpression',
  'Identifier',
  'IntegerLiteral',
  'FloatLiteral',
  'StringLiteral',
  'ArrayLiteral',
  'TupleLiteral',
  'ObjectLiteral',
  'BinaryExpression',
  'FilterExpression',
  'FilterStatement',
  'SelectExpression',
  'TestExpression',
  'UnaryExpression',
  'SliceExpression',
  'KeywordArgumentExpression',
  'SpreadExpression',
  'KeywordSpreadExpression',
  'CallStatement',
  'Ternary',
]);

/** The nodes directly under one, in source order; operator tokens are not nodes. */
export function children(node: Node): Node[] {
  const found: Node[] = [];
  for (const [field, value] of Object.entries(node)) {
    if (field === 'operator') continue;
    if (value instanceof Map) for (const [key, item] of value) found.push(key as Node, item as Node);
    else for (const item of Array.isArray(value) ? value : [value]) if (isNode(item)) found.push(item);
  }
  return found;
}

/** The node and everything under it. */
export function* walk(node: Node): Generator<Node> {
  yield node;
  for (const child of children(node)) yield* walk(child);
}

export function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && typeof (value as Node).type === 'string';
}

export function isIdentifier(node: unknown): node is Node & { value: string } {
  return isNode(node) && node.type === 'Identifier';
}

export function operatorOf(node: Node): string {
  return (node['operator'] as { value: string }).value;
}

/** The name of a filter and its arguments, whether written `|f` or `|f(x)`. */
export function filterOf(filter: Node): { name: string; args: Node[] } {
  if (isIdentifier(filter)) return { name: filter.value, args: [] };
  const callee = filter['callee'];
  return { name: isIdentifier(callee) ? callee.value : '', args: (filter['args'] as Node[] | undefined) ?? [] };
}

/** The attribute a member expression names: its identifier, or null when it is computed. */
export function staticProperty(member: Node): string | null {
  const property = member['property'];
  return member['computed'] === false && isIdentifier(property) ? property.value : null;
}
