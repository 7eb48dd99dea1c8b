/** `x[...]`: containers, tuples, strings, modules, and tensor indexing as select, slice, unsqueeze and index. */

import type { Value } from "../../ir/graph.ts";
import { optionalOf, printType, T, tupleOf, type Type, unifyTypes } from "../../ir/type.ts";
import type { Expr, ExprOf } from "./ast.ts";
import { callMeaning } from "./calls.ts";
import type { Lowering } from "./lowering.ts";
import { memberOf } from "./members.ts";
import type { Meaning } from "./scope.ts";

/** The value of an int literal. */
function literalInt(expr: Expr | undefined): number | undefined {
  return expr?.kind === "int" && expr.value >= -1000000n && expr.value <= 1000000n ? Number(expr.value) : undefined;
}

function tupleItem(l: Lowering, base: Meaning, elems: readonly Type[], index: Expr, expr: Expr): Meaning {
  const size = elems.length;
  if (index.kind === "slice") {
    const bound = (part: Expr | undefined, fallback: number): number => {
      if (part === undefined || part.kind === "none") return fallback;
      const given = literalInt(part) ?? l.fail("bad-code", "a tuple's slice needs literal bounds", part);
      return Math.min(Math.max(given < 0 ? given + size : given, 0), size);
    };
    if (index.step !== undefined && index.step.kind !== "none" && literalInt(index.step) !== 1) l.fail("bad-code", "a tuple's slice has no step", index.step);
    const begin = bound(index.from, 0);
    const end = Math.max(bound(index.to, size), begin);
    if (base.kind === "tuple") return { kind: "tuple", items: base.items.slice(begin, end) };
    const value = l.one("prim::TupleSlice", [l.asValue(base, expr)], tupleOf(elems.slice(begin, end)), expr, {
      begin: { kind: "int", value: begin },
      end: { kind: "int", value: end },
    });
    return { kind: "value", value };
  }
  const literal = literalInt(index);
  if (literal === undefined) {
    // A run-time index works where all elements have one type.
    let common = elems[0];
    for (const elem of elems.slice(1)) common = common === undefined ? undefined : unifyTypes(common, elem);
    if (common === undefined) return l.fail("bad-code", "an index into a tuple of several types must be a literal", index);
    const items = l.listOfValues(base.kind === "tuple" ? base.items : l.unpackTuple(l.asValue(base, expr), expr), common, expr);
    return l.callOp("aten::__getitem__", [items, l.value(index)], expr);
  }
  const at = literal < 0 ? literal + size : literal;
  const type = elems[at];
  if (type === undefined) return l.fail("bad-code", `index ${literal} is outside a tuple of ${size}`, index);
  if (base.kind === "tuple") return { kind: "value", value: base.items[at] as Value };
  return { kind: "value", value: l.one("prim::TupleIndex", [l.asValue(base, expr)], type, expr, { index: { kind: "int", value: at } }) };
}

interface TensorView {
  /** The tensor after selects, slices and unsqueezes. */
  readonly view: Value;
  /** Index tensors by dimension; undefined where there is none at all. */
  readonly indices: Value | undefined;
}

/** Applies the basic indices of a tensor and collects the tensor indices. */
function tensorView(l: Lowering, tensor: Value, expr: ExprOf<"subscript">): TensorView {
  const parts = expr.indices.length === 1 && expr.indices[0]?.kind === "tuple" ? expr.indices[0].items : expr.indices;
  let view = tensor;
  let dim: Value | number = 0;
  const byDim = new Map<number, Value>();
  const dimValue = (): Value => (typeof dim === "number" ? l.int(dim, expr) : dim);
  const next = (): void => {
    if (typeof dim === "number") dim++;
  };
  for (const [i, part] of parts.entries()) {
    if (part.kind === "dots") {
      // Dimensions after the dots are counted from the end.
      const after = parts.slice(i + 1);
      if (after.some((p) => p.kind === "dots")) l.fail("bad-code", "an index has `...` twice", part);
      dim = -after.filter((p) => p.kind !== "none").length;
      continue;
    }
    if (part.kind === "slice") {
      const bound = (e: Expr | undefined): Value => (e === undefined ? l.none(part) : l.value(e));
      view = l.callOpValue(
        "aten::slice",
        [view, dimValue(), bound(part.from), bound(part.to), part.step === undefined ? l.int(1, part) : l.value(part.step)],
        expr,
      );
      next();
      continue;
    }
    const value = l.value(part);
    switch (value.type.kind) {
      case "None":
        view = l.callOpValue("aten::unsqueeze", [view, dimValue()], expr);
        next();
        break;
      case "int":
        view = l.callOpValue("aten::select", [view, dimValue(), value], expr);
        break;
      case "Tensor":
      case "List": {
        if (typeof dim !== "number" || dim < 0) return l.fail("bad-code", "an index tensor after `...` is not part of the language", part);
        byDim.set(dim, value.type.kind === "List" ? l.callOpValue("aten::tensor", [value], part) : value);
        dim++;
        break;
      }
      default:
        return l.fail("bad-code", `\`${printType(value.type)}\` cannot index a tensor`, part);
    }
  }
  if (byDim.size === 0) return { view, indices: undefined };
  const count = Math.max(...byDim.keys()) + 1;
  const items = Array.from({ length: count }, (_, d) => byDim.get(d) ?? l.none(expr));
  return { view, indices: l.listOfValues(items, optionalOf(T.Tensor), expr) };
}

/** The meaning of `base[indices]`. @throws bad-code */
export function subscript(l: Lowering, expr: ExprOf<"subscript">, hint: Type | undefined): Meaning {
  const base = l.meaning(expr.base);
  const [index] = expr.indices;
  if (base.kind === "tuple" && index !== undefined && expr.indices.length === 1)
    return tupleItem(
      l,
      base,
      base.items.map((item) => item.type),
      index,
      expr,
    );
  const object = l.asValue(base, expr.base);
  const { type } = object;
  if (type.kind === "Tensor") {
    const { view, indices } = tensorView(l, object, expr);
    return indices === undefined ? { kind: "value", value: view } : l.callOp("aten::index", [view, indices], expr);
  }
  if (index === undefined || expr.indices.length > 1) return l.fail("bad-code", `\`${printType(type)}\` takes one index`, expr);
  if (type.kind === "Tuple" || type.kind === "NamedTuple") return tupleItem(l, { kind: "value", value: object }, type.elems, index, expr);
  if (type.kind === "List" || type.kind === "str") {
    if (index.kind !== "slice") return l.callOp("aten::__getitem__", [object, l.value(index)], expr);
    const bound = (part: Expr | undefined): Value => (part === undefined ? l.none(index) : l.value(part));
    return l.callOp("aten::slice", [object, bound(index.from), bound(index.to), index.step === undefined ? l.int(1, index) : l.value(index.step)], expr);
  }
  if (type.kind === "Dict") return l.callOp("aten::__getitem__", [object, l.value(index)], expr);
  if (type.kind === "Class" && type.methods.has("__getitem__")) {
    return callMeaning(l, memberOf(l, { kind: "value", value: object }, "__getitem__", expr), { args: [l.given(index)], kwargs: [] }, expr);
  }
  if (type.kind === "Class" && type.isModule) {
    const key = l.value(index);
    if (hint === undefined || (key.type.kind !== "int" && key.type.kind !== "str"))
      return l.fail("bad-code", "indexing a module needs the type of the result, and an int or a str", expr);
    return { kind: "value", value: l.one("prim::ModuleContainerIndex", [object, key], hint, expr) };
  }
  return l.fail("bad-code", `\`${printType(type)}\` cannot be indexed`, expr);
}

/** `base[indices] = value`. @throws bad-code */
export function storeSubscript(l: Lowering, target: ExprOf<"subscript">, valueOf: (hint: Type | undefined) => Value): void {
  const object = l.value(target.base);
  const { type } = object;
  const [index] = target.indices;
  if (type.kind === "Tensor") {
    const value = valueOf(undefined);
    const { view, indices } = tensorView(l, object, target);
    let tensor = value;
    if (value.type.kind !== "Tensor") {
      const dtype = l.callOpValue("prim::dtype", [view], target);
      const device = l.callOpValue("prim::device", [view], target);
      tensor = l.callOpValue("aten::tensor", [value], target, { dtype, device });
    }
    if (indices === undefined) l.callOp("aten::copy_", [view, tensor], target);
    else l.callOp("aten::index_put_", [view, indices, tensor], target);
    return;
  }
  if (index === undefined || target.indices.length > 1 || index.kind === "slice")
    l.fail("bad-code", `this part of \`${printType(type)}\` cannot be stored`, target);
  const key = l.given(index);
  if (type.kind === "Class") {
    const value = valueOf(undefined);
    callMeaning(l, memberOf(l, { kind: "value", value: object }, "__setitem__", target), { args: [key, { type: value.type, value }], kwargs: [] }, target);
    return;
  }
  const elem = type.kind === "List" ? type.elem : type.kind === "Dict" ? type.value : undefined;
  if (elem === undefined) l.fail("bad-code", `parts of \`${printType(type)}\` cannot be stored`, target);
  const value = valueOf(elem);
  l.callOp("aten::_set_item", [object, key.value, value], target);
}

/** `del base[index]`. @throws bad-code */
export function deleteSubscript(l: Lowering, target: Expr): void {
  const [index] = target.kind === "subscript" ? target.indices : [];
  if (target.kind !== "subscript" || index === undefined || index.kind === "slice" || target.indices.length > 1)
    l.fail("bad-code", "only an element of a list or dict can be deleted", target);
  l.callOp("aten::Delete", [l.value(target.base), l.value(index)], target);
}
