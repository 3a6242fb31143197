import { filterOf, isIdentifier, isNode, type Node, operatorOf, staticProperty, walk } from './ast.ts';
import { NAME_KEEPING_FILTERS, NAME_KEEPING_METHODS } from './names.ts';

const MAX_CONSTANT_LENGTH = 10_000;

/** What may reach an expression: the template's own string literals, and whether strings are put together on the way. */
export interface Flow {
  literals: ReadonlySet<string>;
  building: boolean;
}

/**
 * Where values come from, over the whole template at once: all assignments to a name are joined, whatever their order
 * and scope. That can only make the answer larger, so "no forbidden name can arrive here" stays true.
 */
export class DataFlow {
  readonly #variables = new Map<string, Node[]>();
  /** Fields set on namespaces, by field name alone. */
  readonly #fields = new Map<string, Node[]>();
  readonly #macros = new Map<string, Node>();
  /** Names with more than one meaning, or whose value comes from a loop or a call: never constant. */
  readonly #varying = new Set<string>();
  readonly #constants = new Map<Node, Constant>();

  constructor(program: Node) {
    for (const node of walk(program))
      if (node.type === 'Macro') this.#macros.set((node['name'] as Node)['value'] as string, node);
    for (const node of walk(program)) this.#collect(node);
  }

  isMacro(name: string): boolean {
    return this.#macros.has(name);
  }

  /** Whether the template itself gives this name a value. */
  isAssigned(name: string): boolean {
    return this.#variables.has(name);
  }

  /** The exact value of an expression made of constants, or undefined. */
  constant(node: Node): Constant {
    if (this.#constants.has(node)) return this.#constants.get(node);
    // Until it is known, a value that depends on itself is not constant.
    this.#constants.set(node, undefined);
    const value = this.#evaluate(node);
    this.#constants.set(node, value);
    return value;
  }

  /** Everything that may flow into an expression: one walk over the nodes its value can come from. */
  flow(start: Node): Flow {
    const literals = new Set<string>();
    const seen = new Set<Node>([start]);
    const queue = [start];
    let building = false;
    let buildingWithStrings = false;
    for (let node = queue.pop(); node; node = queue.pop()) {
      const source = this.#source(node);
      for (const literal of source.literals ?? []) literals.add(literal);
      building ||= source.builds === 'always';
      buildingWithStrings ||= source.builds === 'with strings';
      for (const next of source.from) {
        if (seen.has(next)) continue;
        seen.add(next);
        queue.push(next);
      }
    }
    return { literals, building: building || (buildingWithStrings && [...literals].some((literal) => literal !== '')) };
  }

  #evaluate(node: Node): Constant {
    switch (node.type) {
      case 'StringLiteral':
      case 'IntegerLiteral':
      case 'FloatLiteral':
        return node['value'] as string | number;
      case 'Identifier':
        return this.#constantVariable(node['value'] as string);
      case 'UnaryExpression': {
        const value = this.constant(node['argument'] as Node);
        return typeof value === 'number' && operatorOf(node) === '-' ? -value : undefined;
      }
      case 'BinaryExpression':
        return fold(operatorOf(node), this.constant(node['left'] as Node), this.constant(node['right'] as Node));
      case 'FilterExpression':
        return this.#constantFilter(node);
      default:
        return undefined;
    }
  }

  /** What one node adds to a flow, and the nodes its value comes from. */
  #source(node: Node): Source {
    switch (node.type) {
      case 'StringLiteral':
        return { from: [], literals: [node['value'] as string] };
      case 'Identifier':
        return { from: this.#variables.get(node['value'] as string) ?? [] };
      case 'MemberExpression':
        return this.#memberSource(node);
      case 'CallExpression':
        return this.#callSource(node);
      case 'FilterExpression': {
        const { name, args } = filterOf(node['filter'] as Node);
        return {
          from: [node['operand'] as Node, ...args],
          builds: NAME_KEEPING_FILTERS.has(name) ? 'never' : 'always',
        };
      }
      case 'BinaryExpression':
        return binarySource(node);
      case 'Ternary':
        return { from: [node['trueExpr'] as Node, node['falseExpr'] as Node] };
      case 'SelectExpression':
        return { from: [node['lhs'] as Node] };
      case 'KeywordArgumentExpression':
        return { from: [node['value'] as Node] };
      case 'ArrayLiteral':
      case 'TupleLiteral':
        return { from: node['value'] as Node[] };
      case 'ObjectLiteral':
        return { from: [...(node['value'] as Map<Node, Node>)].flat() };
      case 'SpreadExpression':
      case 'KeywordSpreadExpression':
        return { from: [node['argument'] as Node] };
      case 'Set':
      case 'Macro':
        return { from: [], literals: stringsIn(node['body'] as Node[]), builds: 'always' };
      default:
        return { from: [] };
    }
  }

  #collect(node: Node): void {
    if (node.type === 'Set') {
      const value = isNode(node['value']) ? node['value'] : node;
      this.#assign(node['assignee'] as Node, value, false);
    } else if (node.type === 'For') {
      this.#assign(node['loopvar'] as Node, node['iterable'] as Node, true);
    } else if (node.type === 'Macro' || node.type === 'CallStatement') {
      const parameters = (node['args'] ?? node['callerArgs'] ?? []) as Node[];
      for (const parameter of parameters) this.#parameter(parameter);
    } else if (node.type === 'CallExpression') {
      this.#call(node);
    }
  }

  #assign(target: Node, value: Node, varying: boolean): void {
    if (isIdentifier(target)) {
      push(this.#variables, target.value, value);
      if (varying) this.#varying.add(target.value);
    } else if (target.type === 'TupleLiteral' || target.type === 'ArrayLiteral') {
      for (const part of target['value'] as Node[]) this.#assign(part, value, true);
    } else if (target.type === 'MemberExpression') {
      const field = staticProperty(target) ?? this.constant(target['property'] as Node);
      push(this.#fields, String(field), value);
    }
  }

  #parameter(parameter: Node): void {
    const name = parameter.type === 'KeywordArgumentExpression' ? (parameter['key'] as Node) : parameter;
    if (!isIdentifier(name)) return;
    this.#varying.add(name.value);
    if (parameter.type === 'KeywordArgumentExpression') push(this.#variables, name.value, parameter['value'] as Node);
    else if (!this.#variables.has(name.value)) this.#variables.set(name.value, []);
  }

  /** Arguments flow into a macro's parameters, all into all; keyword arguments of namespace() are its fields. */
  #call(node: Node): void {
    const { callee } = node;
    if (!isIdentifier(callee)) return;
    const args = node['args'] as Node[];
    const macro = this.#macros.get(callee.value);
    if (macro) {
      for (const parameter of macro['args'] as Node[]) {
        const name = parameter.type === 'KeywordArgumentExpression' ? (parameter['key'] as Node) : parameter;
        if (isIdentifier(name)) for (const argument of args) push(this.#variables, name.value, argument);
      }
    } else if (callee.value === 'namespace') {
      for (const argument of args) {
        if (argument.type === 'KeywordArgumentExpression')
          push(this.#fields, (argument['key'] as Node)['value'] as string, argument['value'] as Node);
      }
    }
  }

  #memberSource(node: Node): Source {
    const object = node['object'] as Node;
    const property = node['property'] as Node;
    const field = staticProperty(node) ?? this.constant(property);
    if (typeof field === 'string' && this.#fields.has(field)) return { from: [object, ...this.#fields.get(field)!] };
    return { from: [object], builds: property.type === 'SliceExpression' ? 'with strings' : 'never' };
  }

  #callSource(node: Node): Source {
    const callee = node['callee'] as Node;
    const args = node['args'] as Node[];
    if (isIdentifier(callee)) {
      const macro = this.#macros.get(callee.value);
      if (macro) return { from: [macro, ...args] };
      const keywords = args.filter((argument) => argument.type === 'KeywordArgumentExpression');
      // The fields of a namespace are followed one by one, by name; those of dict() are keys and values of data.
      if (callee.value === 'namespace') return { from: args.filter((argument) => !keywords.includes(argument)) };
      return { from: args, literals: keywords.map((argument) => (argument['key'] as Node)['value'] as string) };
    }
    if (callee.type !== 'MemberExpression') return { from: args, builds: 'always' };
    const method = staticProperty(callee) ?? '';
    return { from: [callee['object'] as Node, ...args], builds: NAME_KEEPING_METHODS.has(method) ? 'never' : 'always' };
  }

  #constantVariable(name: string): Constant {
    const values = this.#variables.get(name);
    return values?.length === 1 && !this.#varying.has(name) ? this.constant(values[0]!) : undefined;
  }

  #constantFilter(node: Node): Constant {
    const value = this.constant(node['operand'] as Node);
    if (typeof value !== 'string') return undefined;
    const { name, args } = filterOf(node['filter'] as Node);
    if (args.length > 0) return undefined;
    if (name === 'lower') return value.toLowerCase();
    if (name === 'upper') return value.toUpperCase();
    if (name === 'trim') return value.trim();
    if (name === 'reverse') return [...value].reverse().join('');
    return undefined;
  }
}

interface Source {
  from: readonly Node[];
  literals?: readonly string[];
  /** Whether strings are put together here: always, only when strings are involved (numbers add too), or never. */
  builds?: 'always' | 'with strings' | 'never';
}

type Constant = string | number | undefined;

function binarySource(node: Node): Source {
  const from = [node['left'] as Node, node['right'] as Node];
  switch (operatorOf(node)) {
    case '~':
      return { from, builds: 'always' };
    case '+':
    case '*':
    case '%':
      return { from, builds: 'with strings' };
    case 'and':
    case 'or':
      return { from };
    default:
      return { from: [] };
  }
}

function fold(operator: string, left: Constant, right: Constant): Constant {
  if (left === undefined || right === undefined) return undefined;
  if (operator === '~' || (operator === '+' && (typeof left === 'string' || typeof right === 'string'))) {
    const text = `${left}${right}`;
    return text.length <= MAX_CONSTANT_LENGTH ? text : undefined;
  }
  if (typeof left !== 'number' || typeof right !== 'number') return undefined;
  switch (operator) {
    case '+':
      return left + right;
    case '-':
      return left - right;
    case '*':
      return left * right;
    case '**':
      return left ** right;
    case '//':
      return Math.floor(left / right);
    case '/':
      return left / right;
    default:
      return undefined;
  }
}

function stringsIn(body: readonly Node[]): string[] {
  return body
    .flatMap((node) => [...walk(node)])
    .filter((node) => node.type === 'StringLiteral')
    .map((node) => node['value'] as string);
}

function push<V>(map: Map<string, V[]>, key: string, value: V): void {
  const list = map.get(key);
  if (list) list.push(value);
  else map.set(key, [value]);
}
