/**
 * Functions of the `torch` namespace that have no schema of their own but a definition in the language (PyTorch's
 * builtin_functions.cpp), and the old meanings of operators that have changed since (its upgraders). Calls of them are inlined.
 */

import { unreachable } from "../../tensor/error.ts";
import type { FunctionDef } from "./ast.ts";
import { parseFile } from "./parser.ts";
import { SourceText } from "./source-text.ts";

const scalarOperators = (scalar: string): string => `
def mul__${scalar}(a: ${scalar}, b: Tensor) -> Tensor:
  return b * a
def add__${scalar}(a: ${scalar}, b: Tensor) -> Tensor:
  return b + a
def ne__${scalar}(a: ${scalar}, b: Tensor) -> Tensor:
  return b != a
def eq__${scalar}(a: ${scalar}, b: Tensor) -> Tensor:
  return b == a
def sub__${scalar}(a: ${scalar}, b: Tensor) -> Tensor:
  return torch.neg(b) + a
def div__${scalar}(a: ${scalar}, b: Tensor) -> Tensor:
  return torch.reciprocal(b) * a
`;

const scalarComparisons = (scalar: string): string => `
def lt__${scalar}(a: ${scalar}, b: Tensor) -> Tensor:
  return b > a
def le__${scalar}(a: ${scalar}, b: Tensor) -> Tensor:
  return b >= a
def gt__${scalar}(a: ${scalar}, b: Tensor) -> Tensor:
  return b < a
def ge__${scalar}(a: ${scalar}, b: Tensor) -> Tensor:
  return b <= a
`;

/** Names end at \`__\`, what follows tells overloads apart. Order is PyTorch's registration order. */
const ATEN = `
${["float", "int", "complex"].map(scalarOperators).join("")}
${["float", "int"].map(scalarComparisons).join("")}
def floordiv__tensor(self: Tensor, other: Tensor) -> Tensor:
  return torch.floor_divide(self, other)
def floordiv__scalar(self: Tensor, other: number) -> Tensor:
  return torch.floor_divide(self, other)
def _assert_int_or_pair__(vals: List[int], name: str, message: str) -> NoneType:
  return None
def list_with_default__(out_size: List[int], defaults: List[int]) -> List[int]:
  assert len(defaults) > len(out_size)
  return out_size
def _assert__any(condition: Any, message: str) -> NoneType:
  assert bool(unchecked_cast(bool, condition)), message
  return None
def device__(type: str) -> Device:
  return torch.device(type)
def type__(self: Tensor, dtype: int, non_blocking: bool=False, copy: bool=False) -> Tensor:
  return torch.to(self, dtype, non_blocking, copy)
def _assert__tensor(condition: Tensor, message: str) -> NoneType:
  assert bool(condition), message
  return None
def __contains____str(self: str, key: str) -> bool:
  return torch.find(self, key, 0, len(self)) != -1
`;

const PRIM = `
def ndim__(a: Tensor) -> int:
  return torch.dim(a)
def T__(a: Tensor) -> Tensor:
  return torch.numpy_T(a)
def H__(a: Tensor) -> Tensor:
  return torch.matrix_H(a)
def mT__(a: Tensor) -> Tensor:
  return torch.mT(a)
def mH__(a: Tensor) -> Tensor:
  return torch.mH(a)
def shape__(a: Tensor) -> List[int]:
  return torch.size(a)
`;

/** Old meanings: the full name today, the archive version from which today's meaning holds, the definition before. */
const FACTORY = "dtype: Optional[int]=None, layout: Optional[int]=None, device: Optional[Device]=None, pin_memory: Optional[bool]=None";
const PASS_FACTORY = "dtype=dtype, layout=layout, device=device, pin_memory=pin_memory";
const UPGRADERS: readonly (readonly [name: string, below: number, source: string])[] = [
  // Lists of tensors compare by the tensors' values: every version defines these by ops on tensors.
  [
    "aten::eq.Tensor_list",
    Infinity,
    `def eq(a: List[Tensor], b: List[Tensor]) -> bool:
  if torch.len(a) != torch.len(b):
    return False
  for i in range(torch.len(a)):
    if not bool(torch.eq(a[i], b[i])):
      return False
  return True`,
  ],
  [
    "aten::ne.Tensor_list",
    Infinity,
    `def ne(a: List[Tensor], b: List[Tensor]) -> bool:
  if torch.len(a) != torch.len(b):
    return True
  for i in range(torch.len(a)):
    if bool(torch.ne(a[i], b[i])):
      return True
  return False`,
  ],
  [
    "aten::count.Tensor",
    Infinity,
    `def count(self: List[Tensor], el: Tensor) -> int:
  n = 0
  for i in range(torch.len(self)):
    if bool(torch.eq(self[i], el)):
      n = n + 1
  return n`,
  ],
  [
    "aten::index.list_Tensor",
    Infinity,
    `def index(self: List[Tensor], el: Tensor) -> int:
  for i in range(torch.len(self)):
    if bool(torch.eq(self[i], el)):
      return i
  ops.prim.RaiseException(torch.format("'{}' is not in list", el))
  return -1`,
  ],
  [
    "aten::remove.Tensor",
    Infinity,
    `def remove(self: List[Tensor], el: Tensor) -> NoneType:
  at = -1
  i = 0
  while i < torch.len(self) and at < 0:
    if bool(torch.eq(self[i], el)):
      at = i
    i = i + 1
  if at < 0:
    ops.prim.RaiseException("list.remove(x): x not in list")
  torch.Delete(self, at)
  return None`,
  ],
  [
    "aten::div.Tensor",
    4,
    `def div(self: Tensor, other: Tensor) -> Tensor:
  if torch.is_floating_point(self) or torch.is_floating_point(other):
    return torch.true_divide(self, other)
  return torch.divide(self, other, rounding_mode="trunc")`,
  ],
  [
    "aten::div.Scalar",
    4,
    `def div(self: Tensor, other: number) -> Tensor:
  if torch.is_floating_point(self) or isinstance(other, float):
    return torch.true_divide(self, other)
  return torch.divide(self, other, rounding_mode="trunc")`,
  ],
  [
    "aten::div.out",
    4,
    `def div(self: Tensor, other: Tensor, *, out: Tensor) -> Tensor:
  if torch.is_floating_point(self) or torch.is_floating_point(other) or torch.is_floating_point(out):
    return torch.true_divide(self, other, out=out)
  return torch.divide(self, other, rounding_mode="trunc", out=out)`,
  ],
  [
    "aten::div_.Tensor",
    4,
    `def div_(self: Tensor, other: Tensor) -> Tensor:
  if torch.is_floating_point(self) or torch.is_floating_point(other):
    return torch.true_divide_(self, other)
  return torch.divide_(self, other, rounding_mode="trunc")`,
  ],
  [
    "aten::div_.Scalar",
    4,
    `def div_(self: Tensor, other: number) -> Tensor:
  if torch.is_floating_point(self) or isinstance(other, float):
    return torch.true_divide_(self, other)
  return torch.divide_(self, other, rounding_mode="trunc")`,
  ],
  [
    "aten::full",
    5,
    `def full(size: List[int], fill_value: number, *, ${FACTORY}) -> Tensor:
  if dtype is None:
    fill_value = float(fill_value)
  return torch.full(size, fill_value, ${PASS_FACTORY})`,
  ],
  [
    "aten::full.names",
    5,
    `def full(size: List[int], fill_value: number, *, names: Optional[List[str]], ${FACTORY}) -> Tensor:
  if dtype is None:
    fill_value = float(fill_value)
  return torch.full(size, fill_value, names=names, ${PASS_FACTORY})`,
  ],
  [
    "aten::linspace",
    8,
    `def linspace(start: number, end: number, steps: Optional[int]=None, *, ${FACTORY}) -> Tensor:
  if steps is None:
    return torch.linspace(start, end, 100, ${PASS_FACTORY})
  return torch.linspace(start, end, steps, ${PASS_FACTORY})`,
  ],
  [
    "aten::linspace.out",
    8,
    `def linspace(start: number, end: number, steps: Optional[int]=None, *, out: Tensor) -> Tensor:
  if steps is None:
    return torch.linspace(start, end, 100, out=out)
  return torch.linspace(start, end, steps, out=out)`,
  ],
  [
    "aten::logspace",
    9,
    `def logspace(start: number, end: number, steps: Optional[int]=None, base: float=10., *, ${FACTORY}) -> Tensor:
  if steps is None:
    return torch.logspace(start, end, 100, base, ${PASS_FACTORY})
  return torch.logspace(start, end, steps, base, ${PASS_FACTORY})`,
  ],
  [
    "aten::logspace.out",
    9,
    `def logspace(start: number, end: number, steps: Optional[int]=None, base: float=10., *, out: Tensor) -> Tensor:
  if steps is None:
    return torch.logspace(start, end, 100, base, out=out)
  return torch.logspace(start, end, steps, base, out=out)`,
  ],
  [
    "aten::gelu",
    10,
    `def gelu(self: Tensor) -> Tensor:
  return torch.gelu(self, approximate="none")`,
  ],
  [
    "aten::gelu.out",
    10,
    `def gelu(self: Tensor, *, out: Tensor) -> Tensor:
  return torch.gelu(self, approximate="none", out=out)`,
  ],
];

/** A definition in the language, with the text it stands in. */
export interface SourceFunction {
  readonly def: FunctionDef;
  readonly source: SourceText;
}

function parse(text: string, record: string): SourceFunction {
  const source = new SourceText(record, text);
  const [def] = parseFile(source).functions.values();
  return { def: def ?? unreachable(`${record} has no definition`), source };
}

const parsed = new Map<string, readonly SourceFunction[]>();

/** The definitions of `aten::mul` and the like; they stand behind the schemas of that name. */
export function builtinFunctionsOf(name: string): readonly SourceFunction[] {
  const known = parsed.get(name);
  if (known !== undefined) return known;
  const text = name.startsWith("aten::") ? ATEN : name.startsWith("prim::") ? PRIM : "";
  const isItsOwn = (definition: string): boolean => {
    const full = definition.slice(0, definition.indexOf("("));
    return full.slice(0, full.lastIndexOf("__")) === name.slice("aten::".length);
  };
  const definitions = text.split("\ndef ").slice(1).filter(isItsOwn);
  const functions = definitions.map((definition) => parse(`def ${definition}\n`, `builtin ${name}`));
  parsed.set(name, functions);
  return functions;
}

const UPGRADERS_BY_NAME = new Map(UPGRADERS.map((entry) => [entry[0], entry]));
const upgraders = new Map<string, SourceFunction>();

/** The old meaning of the op `fullName` in an archive of `version`, or undefined where today's holds. */
export function upgraderOf(fullName: string, version: number): SourceFunction | undefined {
  const entry = UPGRADERS_BY_NAME.get(fullName);
  if (entry === undefined || version >= entry[1]) return undefined;
  const known = upgraders.get(fullName);
  if (known !== undefined) return known;
  const upgrader = parse(`${entry[2]}\n`, `old meaning of ${fullName}`);
  upgraders.set(fullName, upgrader);
  return upgrader;
}
