/** Ops on lists whose length or positions the graph computes. */

import { type Datum, makeTuple } from "../ir/datum.ts";
import type { Node } from "../ir/graph.ts";
import { type DType, dtypeOfTorch } from "../tensor/dtype.ts";
import { Tensor } from "../tensor/tensor.ts";
import { STAND_IN } from "./meaning.ts";
import { type Exporter, intOf } from "./exporter.ts";
import { whereValue } from "./expressions.ts";
import { isNumberList, itemLeaves, leafColumn, listValue, sequenceOf } from "./frozen.ts";
import { attributesOf, type OnnxValue } from "./graph.ts";
import { isSym, isSymTensor, itemsOf, metaTensor as meta, refuse, Sym, SymList } from "./values.ts";

/** An item at a position that data tells, of a list whose items are numbers or tensors alike. */
export function itemAt(x: Exporter, list: Datum, at: Sym): readonly Datum[] {
  const items = itemsOf(list) ?? [];
  const columns = columnsOfItems(x, items);
  return [pick(x, items[0] ?? null, columns, at.onnx)];
}

/** A list as columns: one per leaf of its items. */
export function columnsOfItems(x: Exporter, items: readonly Datum[]): OnnxValue[] {
  const [first] = items;
  if (first === undefined) return refuse("an empty list is indexed by a number of the graph");
  const rows = items.map(itemLeaves);
  return itemLeaves(first).map((leaf, i) => {
    const { dtype, sequence } = leafColumn(leaf);
    const cells = rows.map((r) => r[i] ?? null);
    if (sequence)
      return sequenceOf(
        x,
        dtype,
        cells.map((c) => itemValue(x, c, dtype)),
      );
    return x.op(
      "Concat",
      cells.map((c) => x.op("Reshape", [x.scalarValue(c, dtype), x.g.ints([1])])),
      { axis: 0 },
    );
  });
}
/** A tensor, or a list of numbers as a 1-dim tensor. */
function itemValue(x: Exporter, d: Datum, dtype: DType): OnnxValue {
  if (isSymTensor(d) && d.dtype === dtype && !d.anyRank) return x.valueOf(d);
  return isNumberList(d) ? listValue(x, d) : refuse("the items of a list differ in kind");
}
function pick(x: Exporter, item: Datum, columns: readonly OnnxValue[], at: OnnxValue): Datum {
  let i = 0;
  const build = (d: Datum): Datum => {
    if (typeof d === "object" && d !== null && "kind" in d && d.kind === "tuple") return makeTuple(d.items.map(build), d.type);
    const column = columns[i++] ?? refuse("an item without a value");
    if (isSymTensor(d)) {
      const [v] = x.g.node("SequenceAt", [column, at], { dtypes: [column.dtype] });
      return x.tensor(
        v ?? refuse("an item"),
        d.meta,
        d.dims.map(() => undefined),
        undefined,
      );
    }
    if (column.sequence) {
      const [v] = x.g.node("SequenceAt", [column, at], { dtypes: [column.dtype] });
      const made = new SymList(
        d instanceof SymList ? d.item : isNumberList(d) && !(d instanceof SymList) && d.items.length > 0 ? (d.items[0] ?? 0) : zeroOf(column.dtype),
        [v ?? refuse("an item")],
      );
      x.trail.born(made);
      return made;
    }
    const type = column.dtype === "bool" ? "bool" : column.dtype === "float64" ? "float" : "int";
    return new Sym(type, x.op("Gather", [column, at], { axis: 0 }), type === "bool" ? true : 1, undefined);
  };
  return build(item);
}

const zeroOf = (dtype: DType): Datum => (dtype === "bool" ? false : { kind: dtype === "float64" ? "float" : "int", value: 0 });

/** Ops on lists of open length. */
export function listOp(x: Exporter, name: string, args: readonly Datum[], node: Node): readonly Datum[] | undefined {
  const [first] = args;
  const list = first instanceof SymList ? first : undefined;
  const lengthOf = (l: SymList): OnnxValue => {
    const [column] = l.columns;
    if (column === undefined) return refuse("a list without columns");
    if (!column.sequence) return x.op("Size", [column], {}, "int64");
    return x.g.node("SequenceLength", [column], { dtypes: ["int64"] })[0] ?? column;
  };
  const write = (l: SymList, columns: readonly OnnxValue[]): void => {
    x.trail.touch({ kind: "columns", target: l });
    l.columns = columns;
  };
  const sequenceNode = (op: string, inputs: readonly (OnnxValue | undefined)[], dtype: OnnxValue["dtype"]): OnnxValue => {
    const v: OnnxValue = { name: x.g.fresh("sequence"), dtype, sequence: true, scope: x.g.scope };
    x.g.push(op, inputs, [v], []);
    return v;
  };
  switch (name) {
    case "aten::len.t":
      return list === undefined ? undefined : [new Sym("int", lengthOf(list), STAND_IN, undefined)];
    case "aten::__getitem__.t":
      return list === undefined ? undefined : [pick(x, list.item, list.columns, x.scalarValue(args[1] ?? 0, "int64"))];
    case "aten::append.t": {
      if (list === undefined) return undefined;
      const leaves = itemLeaves(args[1] ?? null);
      write(
        list,
        list.columns.map((c, i) => {
          const leaf = leaves[i] ?? null;
          if (c.sequence) return sequenceNode("SequenceInsert", [c, itemValue(x, leaf, c.dtype)], c.dtype);
          return x.op("Concat", [c, x.op("Reshape", [x.scalarValue(leaf, c.dtype), x.g.ints([1])])], { axis: 0 });
        }),
      );
      return [list];
    }
    case "aten::pop.t":
    case "aten::Delete.t": {
      if (list === undefined) return undefined;
      const at = x.scalarValue(args[1] ?? -1, "int64");
      const value = name === "aten::pop.t" ? pick(x, list.item, list.columns, at) : undefined;
      write(
        list,
        list.columns.map((c) => {
          if (c.sequence) return sequenceNode("SequenceErase", [c, at], c.dtype);
          const size = x.op("Size", [c], {}, "int64");
          const place = whereValue(x.g, x.op("Less", [at, x.g.scalar(0, "int64")], {}, "bool"), x.op("Add", [at, size]), at);
          const one = (v: OnnxValue): OnnxValue => x.op("Reshape", [v, x.g.ints([1])]);
          const head = x.op("Slice", [c, x.g.ints([0]), one(place)]);
          const tail = x.op("Slice", [c, one(x.op("Add", [place, x.g.scalar(1, "int64")])), one(size)]);
          return x.op("Concat", [head, tail], { axis: 0 });
        }),
      );
      return value === undefined ? [] : [value];
    }
    case "aten::_set_item.t": {
      if (list === undefined) return undefined;
      const leaves = itemLeaves(args[2] ?? null);
      const at = x.scalarValue(args[1] ?? 0, "int64");
      write(
        list,
        list.columns.map((c, i) => {
          const leaf = leaves[i] ?? null;
          if (c.sequence) return sequenceNode("SequenceInsert", [sequenceNode("SequenceErase", [c, at], c.dtype), itemValue(x, leaf, c.dtype), at], c.dtype);
          return x.op("ScatterElements", [c, x.op("Reshape", [at, x.g.ints([1])]), x.op("Reshape", [x.scalarValue(leaf, c.dtype), x.g.ints([1])])], {
            axis: 0,
          });
        }),
      );
      return [list];
    }
    case "aten::slice.t": {
      if (list === undefined) return undefined;
      const one = (d: Datum, other: bigint): OnnxValue => x.op("Reshape", [d === null ? x.g.scalar(other, "int64") : x.scalarValue(d, "int64"), x.g.ints([1])]);
      const [, start = null, end = null, step = 1] = args;
      const back = !isSym(step) && Number(step) < 0;
      const far = 9223372036854775807n;
      const cut = (c: OnnxValue): OnnxValue => x.op("Slice", [c, one(start, back ? far : 0n), one(end, back ? -far : far), x.g.ints([0]), one(step, 1n)]);
      return [
        new SymList(
          list.item,
          list.columns.map((c) => {
            if (!c.sequence) return cut(c);
            // Tensors alike in shape are cut as one; others are an error where the graph runs.
            if (!isSymTensor(list.item)) return refuse("a slice of a list of lists of open length");
            const [all] = x.g.node("ConcatFromSequence", [c], { dtypes: [c.dtype], attributes: { axis: 0, new_axis: 1 } });
            const v: OnnxValue = { name: x.g.fresh("sequence"), dtype: c.dtype, sequence: true, scope: x.g.scope };
            x.g.push("SplitToSequence", [cut(all ?? c)], [v], attributesOf({ axis: 0, keepdims: 0 }));
            return v;
          }),
        ),
      ];
    }
    case "aten::copy.t":
    case "aten::list.t":
      return list === undefined ? undefined : [new SymList(list.item, list.columns)];
    case "aten::add.t":
    case "aten::extend.t":
    case "aten::add_.t": {
      const both = args.map((d) =>
        d instanceof SymList
          ? d.columns
          : columnsOrEmpty(
              x,
              d,
              args.find((o): o is SymList => o instanceof SymList),
            ),
      );
      const joinedColumns = (both[0] ?? []).map((c, i) => {
        const other = both[1]?.[i] ?? c;
        return c.sequence ? refuse("lists of tensors of open length are joined") : x.op("Concat", [c, other], { axis: 0 });
      });
      if (name === "aten::add.t") return [new SymList((args.find((o): o is SymList => o instanceof SymList) ?? refuse("a list")).item, joinedColumns)];
      if (list === undefined) return refuse("a list of known length is extended by one of open length");
      write(list, joinedColumns);
      return [list];
    }
    case "opwise::stack_scan":
    case "aten::stack":
    case "aten::cat": {
      if (list === undefined) return undefined;
      const [column] = list.columns;
      if (column === undefined || !column.sequence || !isSymTensor(list.item)) return refuse("a list of tuples is joined");
      const scan = name === "opwise::stack_scan";
      const stack = name === "aten::stack" || scan;
      if (scan && (args[4] ?? null) !== null) return refuse("a scan of a given length");
      const item = list.item;
      const axis = Number(isSym(args[1]) ? x.fix(args[1]) : intOf(args[1] ?? 0));
      const rank = item.rank + (stack ? 1 : 0);
      const at = axis < 0 ? axis + rank : axis;
      const [v] = x.g.node("ConcatFromSequence", [column], { dtypes: [column.dtype], attributes: { axis: at, new_axis: stack ? 1 : 0 } });
      const shape = stack
        ? [...item.meta.shape.slice(0, at), STAND_IN, ...item.meta.shape.slice(at)]
        : item.meta.shape.map((s, i) => (i === at ? s * STAND_IN : s));
      const dims = stack ? [...item.dims.slice(0, at), undefined, ...item.dims.slice(at)] : item.dims.map((d, i) => (i === at ? undefined : d));
      const all = v ?? column;
      const turned = scan && args[2] === true ? x.op("Slice", [all, x.g.ints([-1]), x.g.ints([-9223372036854775807n]), x.g.ints([at]), x.g.ints([-1])]) : all;
      return [
        x.tensor(
          turned,
          meta(shape, column.dtype),
          dims.map(() => undefined),
          undefined,
        ),
      ];
    }
    case "aten::tensor":
    case "aten::tensor.int":
    case "aten::tensor.float":
    case "aten::tensor.bool":
    case "aten::as_tensor.list": {
      const [column] = list?.columns ?? [];
      if (column === undefined || column.sequence || list?.columns.length !== 1) return refuse("a tensor of such a list");
      const [, wanted = null] = args;
      const dtype = wanted === null ? (column.dtype === "float64" ? x.context.defaultDtype : column.dtype) : dtypeOfTorch(Number(wanted));
      return [x.tensor(x.g.cast(column, dtype), meta([STAND_IN], dtype), [undefined], undefined)];
    }
    case "aten::reverse.t": {
      if (list === undefined) return undefined;
      write(
        list,
        list.columns.map((c) =>
          c.sequence
            ? refuse("a list of tensors of open length is turned around")
            : x.op("Slice", [c, x.g.ints([-1]), x.g.ints([-9223372036854775807n]), x.g.ints([0]), x.g.ints([-1])]),
        ),
      );
      return [];
    }
    case "aten::clear.t": {
      if (list === undefined) return undefined;
      write(
        list,
        list.columns.map((c) => (c.sequence ? sequenceOf(x, c.dtype, []) : x.op("Slice", [c, x.g.ints([0]), x.g.ints([0])]))),
      );
      return [];
    }
    case "aten::__is__":
      return [false];
    case "aten::__isnot__":
      return [true];
    default:
      void node;
      return refuse(`\`${name}\` of a list whose length hangs on data`);
  }
}
function columnsOrEmpty(x: Exporter, d: Datum, like: SymList | undefined): readonly OnnxValue[] {
  const items = itemsOf(d) ?? [];
  if (items.length > 0) return columnsOfItems(x, items);
  return (like?.columns ?? []).map((c) => (c.sequence ? sequenceOf(x, c.dtype, []) : x.g.constant(Tensor.zeros([0], c.dtype))));
}
