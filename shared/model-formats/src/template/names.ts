/** Attributes that lead from a value to the interpreter, beside everything that begins with an underscore (jinja2.sandbox). */
const INTERPRETER_NAMES = new Set([
  'mro',
  'func_globals',
  'func_code',
  'func_closure',
  'func_defaults',
  'im_class',
  'im_func',
  'im_self',
  'gi_frame',
  'gi_code',
  'gi_yieldfrom',
  'cr_frame',
  'cr_code',
  'cr_origin',
  'ag_frame',
  'ag_code',
  'tb_frame',
  'tb_next',
  'f_back',
  'f_builtins',
  'f_code',
  'f_globals',
  'f_locals',
  'co_code',
]);

/** Functions that chat template engines provide (transformers, llama.cpp, minja, jinja2). */
export const GLOBAL_FUNCTIONS: ReadonlySet<string> = new Set([
  'raise_exception',
  'strftime_now',
  'namespace',
  'range',
  'dict',
  'cycler',
  'joiner',
  'caller',
  'loop',
]);

/** Objects of the engine that are there to be called; reaching into them is how sandbox escapes begin. */
export const HELPER_OBJECTS: ReadonlySet<string> = new Set([
  'self',
  'super',
  'lipsum',
  'namespace',
  'range',
  'dict',
  'cycler',
  'joiner',
  'caller',
  'raise_exception',
  'strftime_now',
]);

/** Never needed by a chat template in any way. */
export const FORBIDDEN_IDENTIFIERS: ReadonlySet<string> = new Set(['self', 'super', 'lipsum']);

/** Methods of strings, lists, dictionaries, loops and dates that templates call. */
export const METHODS: ReadonlySet<string> = new Set(
  `strip lstrip rstrip split rsplit splitlines startswith endswith replace lower upper title capitalize casefold swapcase
  join find rfind index rindex count format removeprefix removesuffix partition rpartition zfill ljust rjust center
  isdigit isalpha isalnum isspace isupper islower isnumeric isdecimal istitle encode
  append extend insert pop remove sort reverse copy clear add
  items keys values get update setdefault popitem
  cycle changed next reset strftime isoformat`.split(/\s+/),
);

/** The filters of jinja2 and of the chat template engines. */
export const FILTERS: ReadonlySet<string> = new Set(
  `abs attr batch capitalize center count d default dictsort e escape filesizeformat first float forceescape format
  groupby indent int items join last length list lower map max min pprint random reject rejectattr replace reverse round
  safe select selectattr slice sort string striptags sum title tojson trim truncate unique upper urlencode urlize
  wordcount wordwrap xmlattr from_json fromjson keys values split startswith endswith strip bool`.split(/\s+/),
);

/** Filters whose result, used as a name, is still one of the strings that went in, save for case and outer spaces. */
export const NAME_KEEPING_FILTERS: ReadonlySet<string> = new Set(
  `length count int float abs round min max sum first last list default d items trim lower upper capitalize title sort
  unique select selectattr reject rejectattr dictsort keys values map safe string attr random strip bool`.split(/\s+/),
);

export const NAME_KEEPING_METHODS: ReadonlySet<string> = new Set(
  `strip lstrip rstrip lower upper title capitalize casefold get items keys values pop copy index find rfind rindex count
  startswith endswith isdigit next append split rsplit splitlines`.split(/\s+/),
);

/** Filters that look up an attribute by name, and which positional argument names it; as a keyword it is `attribute`. */
export const ATTRIBUTE_ARGUMENT: ReadonlyMap<string, number> = new Map([
  ['attr', 0],
  ['groupby', 0],
  ['selectattr', 0],
  ['rejectattr', 0],
  ['sum', 0],
  ['join', 1],
  ['unique', 1],
  ['min', 1],
  ['max', 1],
  ['sort', 2],
]);

/** Whether looking this name up reaches past the data: leading underscores, or a known way into the interpreter. */
export function reachesInside(name: string): boolean {
  const plain = name.trim().toLowerCase();
  return plain.startsWith('_') || plain.includes('__') || INTERPRETER_NAMES.has(plain);
}
