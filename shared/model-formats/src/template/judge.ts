import { shown } from '../findings.ts';
import {
  children,
  filterOf,
  isIdentifier,
  isNode,
  KNOWN_TYPES,
  type Node,
  operatorOf,
  staticProperty,
  walk,
} from './ast.ts';
import type { TemplateFinding } from './check.ts';
import { DataFlow } from './flow.ts';
import {
  ATTRIBUTE_ARGUMENT,
  FILTERS,
  FORBIDDEN_IDENTIFIERS,
  GLOBAL_FUNCTIONS,
  HELPER_OBJECTS,
  METHODS,
  reachesInside,
} from './names.ts';

const MAX_RANGE = 100_000;
const MAX_NESTED_ITERATIONS = 1_000_000;
/** As an argument or a factor, a number above this makes strings that no prompt needs. */
const MAX_SIZE_ARGUMENT = 100_000;

/** Judges a parsed template by what it can reach and how long it can run. */
export function judge(program: Node): TemplateFinding[] {
  const judge = new Judge(program);
  judge.visit(program, 1, false);
  return judge.findings;
}

class Judge {
  readonly findings: TemplateFinding[] = [];
  readonly #flow: DataFlow;

  constructor(program: Node) {
    this.#flow = new DataFlow(program);
  }

  /** `iterations` is how often constant loops around this node run it; `looped` whether any loop is around it. */
  visit(node: Node, iterations: number, looped: boolean): void {
    if (!KNOWN_TYPES.has(node.type)) {
      this.#report('TPL-006', `it uses "${shown(node.type)}", which is not known here`);
      return;
    }
    switch (node.type) {
      case 'MemberExpression':
        this.#member(node);
        break;
      case 'Identifier':
        this.#identifier(node['value'] as string);
        break;
      case 'KeywordArgumentExpression':
        this.#identifier((node['key'] as Node)['value'] as string);
        break;
      case 'CallExpression':
        this.#call(node);
        break;
      case 'FilterExpression':
      case 'FilterStatement':
        this.#filter(node['filter'] as Node);
        break;
      case 'BinaryExpression':
        this.#operator(node);
        break;
      case 'Set':
        if (looped) this.#growth(node);
        break;
      case 'Macro':
        this.#recursion(node);
        break;
    }
    const inside = node.type === 'For' ? iterations * this.#loopCount(node) : iterations;
    if (node.type === 'For' && inside > MAX_NESTED_ITERATIONS) {
      this.#report('TPL-005', `its loops run ${inside} times`);
      return;
    }
    for (const child of this.#parts(node)) this.visit(child, inside, looped || node.type === 'For');
  }

  /** A property or filter name is a name, not a variable; everything else below a node is judged on its own. */
  #parts(node: Node): Node[] {
    if (node.type === 'MemberExpression' && node['computed'] === false) return [node['object'] as Node];
    if (node.type === 'TestExpression') return [node['operand'] as Node];
    if (node.type === 'FilterExpression') return [node['operand'] as Node, ...filterOf(node['filter'] as Node).args];
    if (node.type === 'FilterStatement') return [...filterOf(node['filter'] as Node).args, ...(node['body'] as Node[])];
    return children(node);
  }

  #member(node: Node): void {
    const name = staticProperty(node);
    const object = node['object'] as Node;
    if (isIdentifier(object) && HELPER_OBJECTS.has(object.value) && !this.#flow.isAssigned(object.value)) {
      this.#report('TPL-004', `it reaches into ${shown(object.value)} instead of calling it`);
    }
    if (name === null) this.#computedName(node['property'] as Node);
    else if (reachesInside(name)) this.#report('TPL-001', `it looks up the attribute ${shown(name)}`);
  }

  /** A name that is computed: exact when made of constants, otherwise everything that could arrive counts. */
  #computedName(name: Node): void {
    if (name.type === 'SliceExpression') return;
    const constant = this.#flow.constant(name);
    if (constant !== undefined) {
      if (typeof constant === 'string' && reachesInside(constant)) {
        this.#report('TPL-001', `it puts together the name ${shown(constant)} and looks it up`);
      }
      return;
    }
    const { literals, building } = this.#flow.flow(name);
    const reaching = [...literals].find(reachesInside);
    if (reaching !== undefined)
      this.#report('TPL-001', `the text ${shown(reaching)} can become a name that it looks up`);
    else if (building) this.#report('TPL-003', 'it puts a name together from pieces and looks it up');
  }

  #identifier(name: string): void {
    if (name.startsWith('__')) this.#report('TPL-001', `it uses the name ${shown(name)}`);
    if (FORBIDDEN_IDENTIFIERS.has(name) && !this.#flow.isAssigned(name)) {
      this.#report('TPL-004', `it uses ${shown(name)}, which no chat template needs`);
    }
  }

  #call(node: Node): void {
    const callee = node['callee'] as Node;
    const args = node['args'] as Node[];
    if (isIdentifier(callee)) {
      const { value: name } = callee;
      if (name === 'range') this.#range(args);
      if (
        !GLOBAL_FUNCTIONS.has(name) &&
        !FORBIDDEN_IDENTIFIERS.has(name) &&
        !this.#flow.isMacro(name) &&
        !this.#flow.isAssigned(name)
      ) {
        this.#report('TPL-010', `it calls ${shown(name)}()`);
      }
      return;
    }
    if (callee.type !== 'MemberExpression') {
      this.#report('TPL-010', 'it calls the result of an expression');
      return;
    }
    const method = staticProperty(callee) ?? this.#flow.constant(callee['property'] as Node);
    if (typeof method !== 'string' || !METHODS.has(method)) {
      this.#report('TPL-010', `it calls the method ${shown(String(method ?? 'with a computed name'))}()`);
    } else if (method === 'format') {
      this.#formatString(callee['object'] as Node);
    }
    this.#sizes(args, `the method ${shown(String(method))}()`);
  }

  /** str.format reads attributes: '{0.__class__}'.format(x). Plain fields are harmless. */
  #formatString(template: Node): void {
    const text = this.#flow.constant(template);
    if (typeof text !== 'string') this.#report('TPL-009', 'it formats with a string that is not fixed');
    else if (/\{[^{}]*[.[]/.test(text.replaceAll('{{', '')))
      this.#report('TPL-009', `the format string ${shown(text, 40)} looks inside its values`);
  }

  #filter(filter: Node): void {
    const { name, args } = filterOf(filter);
    if (reachesInside(name)) this.#report('TPL-001', `it uses the filter ${shown(name)}`);
    else if (!FILTERS.has(name)) this.#report('TPL-010', `it uses the filter ${shown(name)}, which no engine provides`);
    this.#sizes(args, `the filter ${shown(name)}`);
    this.#attributeNames(name, args);
  }

  /** The arguments by which a filter looks attributes up; map() hands its own on to the filter it names. */
  #attributeNames(filter: string, args: readonly Node[]): void {
    const positional = args.filter((argument) => argument.type !== 'KeywordArgumentExpression');
    for (const argument of args) {
      if (argument.type === 'KeywordArgumentExpression' && (argument['key'] as Node)['value'] === 'attribute') {
        this.#attributePath(filter, argument['value'] as Node);
      }
    }
    if (filter === 'map' && positional[0]) {
      const inner = this.#flow.constant(positional[0]);
      if (typeof inner !== 'string') this.#report('TPL-003', 'it applies a filter whose name is computed');
      else if (!FILTERS.has(inner))
        this.#report('TPL-010', `it uses the filter ${shown(inner)}, which no engine provides`);
      else this.#attributeNames(inner, positional.slice(1));
      return;
    }
    const named = positional[ATTRIBUTE_ARGUMENT.get(filter) ?? positional.length];
    if (named) this.#attributePath(filter, named);
  }

  #attributePath(filter: string, path: Node): void {
    const constant = this.#flow.constant(path);
    // Attribute filters take dotted paths.
    const reaching = typeof constant === 'string' ? constant.split('.').find(reachesInside) : undefined;
    if (reaching !== undefined)
      this.#report('TPL-001', `the filter ${shown(filter)} looks up the attribute ${shown(reaching)}`);
    else if (constant === undefined) this.#computedName(path);
  }

  #operator(node: Node): void {
    const operator = operatorOf(node);
    const right = this.#flow.constant(node['right'] as Node);
    const left = this.#flow.constant(node['left'] as Node);
    const power = operator === '**' ? this.#flow.constant(node) : 0;
    if (operator === '**' && (typeof right !== 'number' || right > 64 || tooLarge(power, Number.MAX_SAFE_INTEGER))) {
      this.#report('TPL-005', 'it raises a number to a power without bound');
    }
    if (operator === '*' && (tooLarge(left) || tooLarge(right)))
      this.#report('TPL-005', 'it repeats something without bound');
  }

  #range(args: readonly Node[]): void {
    const bounds = args.map((argument) => this.#flow.constant(argument));
    const hasLarge = args.some((argument) =>
      [...walk(argument)].some((node) => tooLarge(this.#flow.constant(node), MAX_RANGE)),
    );
    const known = bounds.every((bound) => typeof bound === 'number') ? rangeLength(bounds as number[]) : 0;
    if (hasLarge || known > MAX_RANGE)
      this.#report('TPL-005', 'it counts further than any conversation needs with range()');
  }

  #sizes(args: readonly Node[], what: string): void {
    for (const argument of args) {
      const value = argument.type === 'KeywordArgumentExpression' ? (argument['value'] as Node) : argument;
      if (tooLarge(this.#flow.constant(value))) this.#report('TPL-005', `it asks ${what} for something enormous`);
    }
  }

  /** How often a loop runs when that is fixed in the template; 1 when it follows the conversation. */
  #loopCount(node: Node): number {
    const iterable = node['iterable'] as Node;
    if (iterable.type === 'ArrayLiteral' || iterable.type === 'TupleLiteral')
      return Math.max(1, (iterable['value'] as Node[]).length);
    const text = this.#flow.constant(iterable);
    if (typeof text === 'string') return Math.max(1, text.length);
    if (iterable.type !== 'CallExpression' || !isIdentifier(iterable['callee']) || iterable['callee'].value !== 'range')
      return 1;
    const bounds = (iterable['args'] as Node[]).map((argument) => this.#flow.constant(argument));
    return bounds.every((bound) => typeof bound === 'number') ? Math.max(1, rangeLength(bounds as number[])) : 1;
  }

  /** x = x ~ x in a loop doubles each time. */
  #growth(node: Node): void {
    const target = nameOf(node['assignee'] as Node);
    if (target === null || !isNode(node['value'])) return;
    const value = node['value'];
    if (doubles(value, target)) this.#report('TPL-005', `${shown(target)} doubles in a loop`);
  }

  /** A macro that calls itself outside of any condition or loop never ends. */
  #recursion(macro: Node): void {
    const name = (macro['name'] as Node)['value'] as string;
    const unconditional = (node: Node): boolean => {
      if (['If', 'For', 'Ternary', 'SelectExpression', 'Macro'].includes(node.type)) return false;
      if (node.type === 'CallExpression' && isIdentifier(node['callee']) && node['callee'].value === name) return true;
      return children(node).some(unconditional);
    };
    if ((macro['body'] as Node[]).some(unconditional))
      this.#report('TPL-005', `the macro ${shown(name)} calls itself without end`);
  }

  #report(rule: TemplateFinding['rule'], what: string): void {
    if (this.findings.length < 32) this.findings.push({ rule, message: `the chat template is refused: ${what}` });
  }
}

function tooLarge(value: string | number | undefined, limit = MAX_SIZE_ARGUMENT): boolean {
  return typeof value === 'number' && !(Math.abs(value) <= limit);
}

function rangeLength(bounds: readonly number[]): number {
  const [start, stop, step] =
    bounds.length === 1 ? [0, bounds[0]!, 1] : [bounds[0] ?? 0, bounds[1] ?? 0, bounds[2] ?? 1];
  return step === 0 ? 0 : Math.max(0, Math.ceil((stop - start) / step));
}

/** `x` or the last part of `ns.x`. */
function nameOf(node: Node): string | null {
  if (isIdentifier(node)) return node.value;
  return node.type === 'MemberExpression' ? staticProperty(node) : null;
}

function isJoining(node: Node): boolean {
  return node.type === 'BinaryExpression' && ['~', '+', '*'].includes(operatorOf(node));
}

/** Whether one evaluation joins the target with itself: it stands on both sides of a joining operator, or twice in a list. */
function doubles(node: Node, target: string): boolean {
  const uses = (part: Node): boolean => joinedParts(part).some((leaf) => nameOf(leaf) === target);
  for (const part of walk(node)) {
    if (isJoining(part) && uses(part['left'] as Node) && uses(part['right'] as Node)) return true;
    if (part.type === 'ArrayLiteral' || part.type === 'TupleLiteral') {
      if ((part['value'] as Node[]).filter(uses).length >= 2) return true;
    }
  }
  return false;
}

/** The operands of a chain of joining operators. */
function joinedParts(node: Node): Node[] {
  return isJoining(node) ? [...joinedParts(node['left'] as Node), ...joinedParts(node['right'] as Node)] : [node];
}
