/**
 * The scalar expression language: typed DAGs, hash-consed, so that equal expressions are the same object.
 * A program (`prims/program.ts`) evaluates them once per element of an iteration space.
 */

/** Types that scalars are computed in. `index` is a non-negative-safe integer up to 2^53, not an i64. */
export type ExprType = "f64" | "f32" | "i64" | "u64" | "i32" | "u32" | "i16" | "u16" | "i8" | "u8" | "bool" | "index";

export type UnaryOp =
  | "neg" | "abs" | "not" | "bitnot" | "sign"
  | "floor" | "ceil" | "trunc" | "rint" | "sqrt" | "isnan" | "isinf" | "isfinite" | "signbit"
  | "exp" | "exp2" | "expm1" | "log" | "log2" | "log10" | "log1p"
  | "sin" | "cos" | "tan" | "asin" | "acos" | "atan" | "sinh" | "cosh" | "tanh" | "asinh" | "acosh" | "atanh"
  | "erf" | "erfc" | "erfinv" | "erfcx" | "lgamma" | "digamma" | "i0" | "i0e" | "i1" | "i1e" | "ndtri" | "logndtr"
  | "j0" | "j1" | "y0" | "y1" | "k0" | "k1" | "k0e" | "k1e" | "airyai" | "sphericalj0" | "ndtr";

export type BinaryOp =
  | "add" | "sub" | "mul" | "div"
  /** Integers: towards zero. Division by zero gives 0; state a check where that is an error. */
  | "quot" | "rem"
  /** Floats: C's fmod; PyTorch's floored remainder and floor division. Integers: floored. */
  | "fmod" | "remainder" | "floordiv"
  /** `min`, `max` propagate NaN; `fmin`, `fmax` prefer the number. */
  | "min" | "max" | "fmin" | "fmax"
  | "pow" | "atan2" | "hypot" | "nextafter" | "copysign" | "zeta" | "igamma" | "igammac" | "polygamma" | "gcd"
  | "bitand" | "bitor" | "bitxor" | "shl" | "shr"
  | "eq" | "ne" | "lt" | "le" | "gt" | "ge" | "and" | "or" | "xor"
  /** Orthogonal polynomials `p(x, n)`. */
  | "chebyshevT" | "chebyshevU" | "chebyshevV" | "chebyshevW" | "chebyshevTs" | "chebyshevUs" | "chebyshevVs" | "chebyshevWs"
  | "hermiteH" | "hermiteHe" | "laguerreL" | "legendreP";

/** Storage formats that a value can be rounded through without leaving its compute type. */
export type RoundFormat = "float16" | "bfloat16" | "float8_e5m2" | "float8_e4m3fn" | "float8_e5m2fnuz" | "float8_e4m3fnuz" | "float8_e8m0fnu" | "float4_e2m1";

interface Common {
  readonly id: number;
  readonly type: ExprType;
}

export type Expr =
  | (Common & { readonly op: "const"; readonly value: number | bigint | boolean })
  /** Operand element at the current position of a broadcast iteration; `part` 1 is the imaginary half. */
  | (Common & { readonly op: "arg"; readonly operand: number; readonly part: 0 | 1 })
  /** Run-time scalar of the call. */
  | (Common & { readonly op: "scalar"; readonly slot: number })
  /** Position along an axis of the iteration space. */
  | (Common & { readonly op: "index"; readonly axis: number })
  /** Operand element at computed coordinates. Where `inside` is given and false, the value is `outside` and nothing is read. */
  | (Common & { readonly op: "load"; readonly operand: number; readonly part: 0 | 1; readonly at: readonly Expr[]; readonly inside: Expr | undefined; readonly outside: Expr | undefined })
  | (Common & { readonly op: "unary"; readonly fn: UnaryOp; readonly a: Expr })
  | (Common & { readonly op: "binary"; readonly fn: BinaryOp; readonly a: Expr; readonly b: Expr })
  | (Common & { readonly op: "select"; readonly cond: Expr; readonly a: Expr; readonly b: Expr })
  /** Conversion to `type`: floats to integers truncate (saturating where `saturate`), integers wrap, anything to bool is `!= 0`. */
  | (Common & { readonly op: "cast"; readonly a: Expr; readonly saturate: boolean })
  /** Rounds a float through a storage format and back; `saturate` clamps to the format's largest finite. */
  | (Common & { readonly op: "round"; readonly a: Expr; readonly format: RoundFormat; readonly saturate: boolean })
  /** The same bits as another type of equal width. */
  | (Common & { readonly op: "bitcast"; readonly a: Expr })
  /** Value `part` of a bounded loop: state starts at `init`; trip i in `[0, count)` replaces it by `body`; stops early where `until` holds. */
  | (Common & { readonly op: "fold"; readonly loop: Loop; readonly part: number })
  /** Inside a loop's body: its state, and its trip number. */
  | (Common & { readonly op: "state"; readonly level: number; readonly part: number })
  | (Common & { readonly op: "trip"; readonly level: number })
  /** Combiners: the running state and the incoming tuple. */
  | (Common & { readonly op: "acc"; readonly part: number })
  | (Common & { readonly op: "val"; readonly part: number })
  /** `a`, after checking `cond`; a failure makes the whole call fail with message number `code`. */
  | (Common & { readonly op: "check"; readonly cond: Expr; readonly a: Expr; readonly code: number });

/** A bounded loop over a tuple state; `level` tells nested loops apart. */
export interface Loop {
  readonly id: number;
  readonly level: number;
  readonly count: Expr;
  readonly init: readonly Expr[];
  readonly body: readonly Expr[];
  readonly until: Expr | undefined;
}

type Shaped<E> = E extends Expr ? Omit<E, "id"> : never;

let nextId = 1;
const table = new Map<string, Expr>();
const loops = new Map<string, Loop>();
const CAPACITY = 200_000;

/** The one node of this structure. The table is emptied when it has grown past any sane program. */
function intern(key: string, make: Shaped<Expr>): Expr {
  const known = table.get(key);
  if (known !== undefined) return known;
  if (table.size > CAPACITY) table.clear();
  const node: Expr = { ...make, id: nextId++ };
  table.set(key, node);
  return node;
}

const idOf = (e: Expr | undefined): number => e?.id ?? 0;

export function constant(value: number | bigint | boolean, type: ExprType): Expr {
  const text = Object.is(value, -0) ? "-0" : String(value);
  return intern(`c${type},${typeof value},${text}`, { op: "const", type, value });
}
export function arg(operand: number, type: ExprType, part: 0 | 1 = 0): Expr {
  return intern(`a${type},${operand},${part}`, { op: "arg", type, operand, part });
}
export function scalar(slot: number, type: ExprType): Expr {
  return intern(`s${type},${slot}`, { op: "scalar", type, slot });
}
export function index(axis: number): Expr {
  return intern(`i${axis}`, { op: "index", type: "index", axis });
}
export function load(operand: number, type: ExprType, at: readonly Expr[], part: 0 | 1 = 0, inside?: Expr, outside?: Expr): Expr {
  return intern(`l${type},${operand},${part},${at.map(idOf).join(".")},${idOf(inside)},${idOf(outside)}`, { op: "load", type, operand, part, at, inside, outside });
}
export function unary(fn: UnaryOp, a: Expr): Expr {
  const type: ExprType = fn === "isnan" || fn === "isinf" || fn === "isfinite" || fn === "signbit" || fn === "not" ? "bool" : a.type;
  return intern(`u${fn},${a.id}`, { op: "unary", type, fn, a });
}

function isOne(e: Expr): boolean {
  return e.op === "const" && (e.value === 1 || e.value === 1n || e.value === true);
}

const COMPARISONS: ReadonlySet<BinaryOp> = new Set<BinaryOp>(["eq", "ne", "lt", "le", "gt", "ge", "and", "or", "xor"]);

/** `fn(a, b)`; both sides of one type, but for shifts and the polynomials' degree, which follow `a`. */
export function binary(fn: BinaryOp, a: Expr, b: Expr): Expr {
  if (a.type !== b.type) throw new TypeError(`${fn} of ${a.type} and ${b.type}`);
  if (a.op === "const" && b.op === "const" && a.type === "index" && typeof a.value === "number" && typeof b.value === "number") {
    if (fn === "add") return constant(a.value + b.value, "index");
    if (fn === "sub") return constant(a.value - b.value, "index");
    if (fn === "mul") return constant(a.value * b.value, "index");
  }
  if (a.type === "index" && b.op === "const") {
    if ((fn === "add" || fn === "sub") && b.value === 0) return a;
    if (fn === "mul" && b.value === 1) return a;
  }
  if (fn === "mul" && isOne(b)) return a;
  if (fn === "mul" && isOne(a)) return b;
  return intern(`b${fn},${a.id},${b.id}`, { op: "binary", type: COMPARISONS.has(fn) ? "bool" : a.type, fn, a, b });
}
export function select(cond: Expr, a: Expr, b: Expr): Expr {
  if (a.type !== b.type) throw new TypeError(`select of ${a.type} and ${b.type}`);
  if (a === b) return a;
  return intern(`w${cond.id},${a.id},${b.id}`, { op: "select", type: a.type, cond, a, b });
}
export function cast(a: Expr, type: ExprType, saturate = false): Expr {
  if (a.type === type) return a;
  if (a.op === "const" && typeof a.value === "number" && (type === "f64" || (type === "f32" && a.type !== "f64") || (type === "index" && Number.isInteger(a.value)))) return constant(a.value, type);
  return intern(`k${type},${a.id},${saturate}`, { op: "cast", type, a, saturate });
}
export function round(a: Expr, format: RoundFormat, saturate = false): Expr {
  return intern(`r${format},${a.id},${saturate}`, { op: "round", type: a.type, a, format, saturate });
}
export function bitcast(a: Expr, type: ExprType): Expr {
  return a.type === type ? a : intern(`t${type},${a.id}`, { op: "bitcast", type, a });
}
export function check(cond: Expr, a: Expr, code: number): Expr {
  return intern(`x${cond.id},${a.id},${code}`, { op: "check", type: a.type, cond, a, code });
}
export function acc(part: number, type: ExprType): Expr {
  return intern(`A${type},${part}`, { op: "acc", type, part });
}
export function val(part: number, type: ExprType): Expr {
  return intern(`V${type},${part}`, { op: "val", type, part });
}

/**
 * A bounded loop. `body` and `until` get the state and the trip number; returns the final state.
 * @param level nesting depth of the loop, 0 outermost
 */
export function fold(
  level: number,
  count: Expr,
  init: readonly Expr[],
  body: (state: readonly Expr[], trip: Expr) => readonly Expr[],
  until?: (state: readonly Expr[], trip: Expr) => Expr,
): Expr[] {
  const state = init.map((e, part) => intern(`S${e.type},${level},${part}`, { op: "state", type: e.type, level, part }));
  const trip = intern(`T${level}`, { op: "trip", type: "index", level });
  const next = body(state, trip);
  const stop = until?.(state, trip);
  next.forEach((e, i) => {
    if (e.type !== init[i]?.type) throw new TypeError(`loop state ${i} is ${init[i]?.type}, its body gives ${e.type}`);
  });
  const key = `${level},${count.id},${init.map(idOf).join(".")},${next.map(idOf).join(".")},${idOf(stop)}`;
  let loop = loops.get(key);
  if (loop === undefined) {
    if (loops.size > CAPACITY) loops.clear();
    loop = { id: nextId++, level, count, init, body: next, until: stop };
    loops.set(key, loop);
  }
  const made = loop;
  return init.map((e, part) => intern(`F${made.id},${part}`, { op: "fold", type: e.type, loop: made, part }));
}

/** Direct operands of a node, loop parts included. */
export function operandsOf(e: Expr): readonly Expr[] {
  switch (e.op) {
    case "unary":
    case "cast":
    case "round":
    case "bitcast":
      return [e.a];
    case "binary":
      return [e.a, e.b];
    case "select":
      return [e.cond, e.a, e.b];
    case "check":
      return [e.cond, e.a];
    case "load":
      return [...e.at, ...(e.inside === undefined ? [] : [e.inside]), ...(e.outside === undefined ? [] : [e.outside])];
    case "fold":
      return [e.loop.count, ...e.loop.init, ...e.loop.body, ...(e.loop.until === undefined ? [] : [e.loop.until])];
    default:
      return [];
  }
}

/** All nodes that `roots` are made of, themselves among them. */
export function reachable(roots: readonly Expr[]): Set<Expr> {
  const seen = new Set<Expr>();
  const walk = (e: Expr): void => {
    if (seen.has(e)) return;
    seen.add(e);
    for (const o of operandsOf(e)) walk(o);
  };
  for (const root of roots) walk(root);
  return seen;
}

/** Whether the type is a float. */
export function isFloatType(type: ExprType): boolean {
  return type === "f32" || type === "f64";
}
/** Whether values of the type are bigints in JavaScript. */
export function isBigType(type: ExprType): boolean {
  return type === "i64" || type === "u64";
}
