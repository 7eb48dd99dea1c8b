/** Python operators on sizes and numbers (`_operator.mul`, `math.trunc`, `torch.sym_max`) as TorchScript's scalar ops. */

/** TorchScript names by the exported target; overloads are chosen by the operands' types. */
const NAMES: Readonly<Record<string, string>> = {
  "_operator.add": "aten::add",
  "_operator.sub": "aten::sub",
  "_operator.mul": "aten::mul",
  "_operator.truediv": "aten::div",
  "_operator.floordiv": "aten::floordiv",
  "_operator.mod": "aten::remainder",
  "_operator.pow": "aten::pow",
  "_operator.neg": "aten::neg",
  "_operator.eq": "aten::eq",
  "_operator.ne": "aten::ne",
  "_operator.lt": "aten::lt",
  "_operator.le": "aten::le",
  "_operator.gt": "aten::gt",
  "_operator.ge": "aten::ge",
  "_operator.and_": "aten::__and__",
  "_operator.or_": "aten::__or__",
  "_operator.xor": "aten::__xor__",
  "_operator.lshift": "aten::__lshift__",
  "_operator.rshift": "aten::__rshift__",
  "_operator.not_": "aten::__not__",
  "torch.sym_not": "aten::__not__",
  "_operator.abs": "prim::abs",
  "builtins.abs": "prim::abs",
  "torch.sym_max": "prim::max",
  "torch.sym_min": "prim::min",
  "builtins.max": "prim::max",
  "builtins.min": "prim::min",
  "math.floor": "aten::floor",
  "math.ceil": "aten::ceil",
  "math.trunc": "aten::Int",
  "builtins.round": "aten::round",
  "torch.sym_int": "aten::Int",
  "torch.sym_float": "aten::Float",
  "torch.sym_sqrt": "aten::sqrt",
  "torch._sym_sqrt": "aten::sqrt",
  "torch._sym_exp": "aten::exp",
  "torch._sym_log2": "aten::log2",
  "torch._sym_sin": "aten::sin",
  "torch._sym_cos": "aten::cos",
  "torch._sym_tan": "aten::tan",
  "torch._sym_tanh": "aten::tanh",
  "torch._sym_sinh": "aten::sinh",
  "torch._sym_cosh": "aten::cosh",
  "torch._sym_asin": "aten::asin",
  "torch._sym_acos": "aten::acos",
  "torch._sym_atan": "aten::atan",
  "torch._sym_log": "aten::log",
  "math.sqrt": "aten::sqrt",
  "math.exp": "aten::exp",
  "math.log": "aten::log",
};

/** Overloads in the order tried, where the first that fits is not what Python does. */
const FIRST: Readonly<Record<string, string>> = {
  // Python gives an int for ints with a non-negative exponent, which is all that sizes have.
  "aten::pow": "int_to_int",
};

/** The TorchScript op name of a symbolic target, or undefined where it is none. */
export function symbolicOp(target: string): string | undefined {
  return Object.hasOwn(NAMES, target) ? NAMES[target] : undefined;
}

/** The overload of `name` to prefer over the first that fits. */
export function preferredOverload(name: string): string | undefined {
  return FIRST[name];
}
