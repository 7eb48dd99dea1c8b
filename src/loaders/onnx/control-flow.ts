/**
 * If, Loop, Scan, SequenceMap and FlexAttention: nodes that hold graphs, as `prim::If` and `prim::Loop` with blocks that see the
 * values around them. What iterations yield is appended to lists and stacked after the loop.
 */

import type { GraphProto } from "../../bytes/onnx-proto.ts";
import type { Block, Value } from "../../ir/graph.ts";
import { sameDim } from "../../ir/dim.ts";
import { opwiseSchema } from "../../ir/opwise-schemas.ts";
import { onnxSchema } from "../../ir/onnx-schema.ts";
import { schemaOf } from "../../ir/schema-table.ts";
import type { Template } from "../../ir/template.ts";
import { listOf, T, type Type, unifyTypes } from "../../ir/type.ts";
import { OpwiseError } from "../../tensor/error.ts";
import { graphOf, intOf, intsOf } from "./attributes.ts";
import type { OnnxLowering, ReadyNode, Scope } from "./lowering.ts";
import { emptyTensor, smallTensor } from "./tensors.ts";
import { compatible, mergeTypes, onnxTypeText, type OpenDims, tensorType, withoutShape } from "./types.ts";

/** What TorchScript gives a loop that only its condition ends. */
const NO_LIMIT = 2n ** 63n - 1n;

/** The results of a node with graphs; undefined for any other node. */
export function lowerControlFlow(lowering: OnnxLowering, node: ReadyNode): Value[] | undefined {
  const { schema } = node;
  if (schema.domain === "") {
    switch (schema.name) {
      case "If":
        return lowerIf(lowering, node);
      case "Loop":
        return lowerLoop(lowering, node);
      case "Scan":
        return schema.since < 9 ? lowerBatchedScan(lowering, node) : lowerScan(lowering, node);
      case "SequenceMap":
        return lowerSequenceMap(lowering, node);
      default:
        return undefined;
    }
  }
  if (schema.domain === "ai.onnx.preview" && schema.name === "FlexAttention") return lowerFlexAttention(lowering, node);
  return undefined;
}

/** Short words for making nodes at one place of the graph. */
export class Emitter {
  readonly lowering: OnnxLowering;
  readonly node: ReadyNode;
  constructor(lowering: OnnxLowering, node: ReadyNode) {
    this.lowering = lowering;
    this.node = node;
  }

  op(name: string, operands: readonly (Value | undefined)[], type: Type): Value {
    const [value] = this.lowering.builder.node(name, operands, [{ type }], {
      schema: schemaOf(name) ?? opwiseSchema(name),
      location: this.node.scope.location,
    });
    if (value === undefined) throw new OpwiseError("internal", `\`${name}\` has no result`);
    return value;
  }
  /** An ONNX op at the model's opset of the standard's domain. */
  onnx(name: string, operands: readonly (Value | undefined)[], type: Type, attributes: Readonly<Record<string, Template>> = {}): Value {
    const opset = this.node.scope.frame.opsets.get("") ?? Infinity;
    const schema = onnxSchema("", name, opset);
    if (schema === undefined) throw new OpwiseError("unsupported-op", `\`${this.node.schema.name}\` needs \`${name}\`, which opset ${opset} lacks`);
    const [value] = this.lowering.builder.node(`onnx::${name}@${schema.since}`, operands, [{ type }], { attributes, location: this.node.scope.location });
    if (value === undefined) throw new OpwiseError("internal", `\`${name}\` has no result`);
    return value;
  }
  int(value: number | bigint): Value {
    return this.lowering.builder.constant({ kind: "int", value }, T.int, this.node.scope.location);
  }
  bool(value: boolean): Value {
    return this.lowering.builder.constant({ kind: "bool", value }, T.bool, this.node.scope.location);
  }
  tensor(dtype: "bool" | "float32" | "int64", shape: readonly number[], values: readonly number[]): Value {
    return this.lowering.constant(smallTensor(dtype, shape, values), this.node.scope, undefined);
  }
  toBool(tensor: Value): Value {
    return this.op("aten::Bool.Tensor", [tensor], T.bool);
  }
  toInt(tensor: Value): Value {
    return this.op("aten::Int.Tensor", [tensor], T.int);
  }
  /** `tensor` without its axis `axis`, at `index`. */
  select(tensor: Value, axis: number, index: Value): Value {
    return this.op("aten::select.int", [tensor, this.int(axis), index], withoutShape(tensor.type));
  }
  /** An empty list to append to; its element type is set when it is known. */
  list(): Value {
    return this.op("prim::ListConstruct", [], listOf(T.Tensor));
  }
  append(list: Value, item: Value): void {
    list.type = listOf(withoutShape(item.type));
    this.op("aten::append.t", [list, item], list.type);
  }
  /** The items of `list` stacked; `like` gives dtype and rank where there are none. */
  stack(list: Value, axis: number, reverse: boolean, like: Value | undefined, length?: Value): Value {
    const elem = list.type.kind === "List" ? list.type.elem : T.Tensor;
    return this.op("opwise::stack_scan", [list, this.int(axis), this.bool(reverse), like, length], withoutShape(elem));
  }
  /** What no items stacked along `axis` give: nothing, of the items' dtype and declared sizes. Undefined where the dtype is not known. */
  like(item: Value, declared: Type | undefined, axis: number): Value | undefined {
    const type = mergeTypes(withoutShape(item.type), declared);
    if (type?.kind !== "Tensor" || type.dtype === undefined) return undefined;
    const shape = (type.shape ?? []).map((dim) => (typeof dim === "number" ? dim : 0));
    shape.splice(axis < 0 ? shape.length + 1 + axis : axis, 0, 0);
    return this.lowering.constant(emptyTensor(type.dtype, shape), this.node.scope, undefined);
  }
  /** A loop of `trips` rounds whose block `body` fills: it gives the condition to go on and the carried values. */
  loop(
    trips: Value,
    condition: Value,
    carried: readonly Value[],
    types: readonly Type[],
    names: readonly (string | undefined)[],
    body: (index: Value, carried: readonly Value[]) => readonly Value[],
  ): Value[] {
    const { builder } = this.lowering;
    const [index, ...inner] = builder.open([{ type: T.int }, ...types.map((type) => ({ type }))]);
    if (index === undefined) throw new OpwiseError("internal", "a loop has its index");
    const block = builder.close(body(index, inner));
    return builder.node(
      "prim::Loop",
      [trips, condition, ...carried],
      types.map((type, i) => ({ type, name: names[i] })),
      {
        blocks: [block],
        name: this.node.proto.name === "" ? undefined : this.node.proto.name,
        location: this.node.scope.location,
      },
    );
  }
  /** A nested graph on given inputs, in the open block. */
  body(graph: GraphProto, outer: Scope, inputs: readonly Value[]): Value[] {
    const scope = this.lowering.inner(graph, outer);
    graph.inputs.forEach((input, i) => {
      const value = inputs[i];
      if (value === undefined) return;
      if (scope.has(input.name)) throw new OpwiseError("bad-onnx", `the input \`${input.name}\` of \`${graph.name}\` is defined twice`);
      const declared = scope.declared(input.name, this.lowering.open);
      if (declared !== undefined && !compatible(value.type, declared) && declared.kind !== "Optional") {
        throw new OpwiseError("type-mismatch", `the input \`${input.name}\` of \`${graph.name}\` is given another type than it declares`, {
          wanted: onnxTypeText(declared),
          got: onnxTypeText(value.type),
        });
      }
      value.name ??= input.name;
      scope.define(input.name, value);
    });
    return this.lowering.body(graph, scope);
  }
  /** Fails unless a nested graph has so many inputs and outputs. */
  count(graph: GraphProto, inputs: number, outputs: number | undefined): void {
    if (graph.inputs.length !== inputs || (outputs !== undefined && graph.outputs.length !== outputs)) {
      throw new OpwiseError("bad-onnx", `the graph \`${graph.name}\` does not fit its node`, {
        wanted: `${inputs} inputs${outputs === undefined ? "" : ` and ${outputs} outputs`}`,
        got: `${graph.inputs.length} inputs and ${graph.outputs.length} outputs`,
      });
    }
  }
  /** The declared type of a nested graph's output. */
  declaredOutput(graph: GraphProto, outer: Scope, index: number): Type | undefined {
    const name = graph.outputs[index]?.name ?? "";
    return this.lowering.inner(graph, outer).declared(name, this.lowering.open);
  }
}

function lowerIf(lowering: OnnxLowering, node: ReadyNode): Value[] {
  const emit = new Emitter(lowering, node);
  const condition = emit.toBool(needed(node, 0));
  const branch = (name: string): Block => {
    const { graph, scope } = graphOf(node.attributes, name);
    emit.count(graph, 0, node.proto.outputs.length);
    lowering.builder.open();
    return lowering.builder.close(emit.body(graph, scope, []));
  };
  const blocks = [branch("then_branch"), branch("else_branch")] as const;
  const results = node.proto.outputs.map((_name, i) => {
    const [a, b] = [blocks[0].outputs[i], blocks[1].outputs[i]];
    const type = a === undefined || b === undefined ? T.Tensor : joinTypes(a.type, b.type, lowering.open);
    const { name } = node.result(i);
    return { type: mergeTypes(type, name === undefined ? undefined : node.scope.declared(name, lowering.open)) ?? type, name };
  });
  return lowering.builder.node("prim::If", [condition], results, {
    blocks,
    name: node.proto.name === "" ? undefined : node.proto.name,
    location: node.scope.location,
  });
}

/** The type of a value that is one of two. */
function joinTypes(a: Type, b: Type, open: OpenDims): Type {
  if (a.kind === "Tensor" && b.kind === "Tensor") {
    if (a.dtype !== undefined && b.dtype !== undefined && a.dtype !== b.dtype) {
      throw new OpwiseError("type-mismatch", "the branches give different types", { got: `${onnxTypeText(a)} and ${onnxTypeText(b)}` });
    }
    const [x, y] = [a.shape, b.shape];
    const shape = x?.length === y?.length ? x?.map((d, i) => (sameDim(d, y?.[i] ?? 0) ? d : open.fresh())) : undefined;
    return tensorType(a.dtype ?? b.dtype, shape);
  }
  const joined = unifyTypes(withoutShape(a), withoutShape(b));
  if (joined === undefined) throw new OpwiseError("type-mismatch", "the branches give different types", { got: `${onnxTypeText(a)} and ${onnxTypeText(b)}` });
  return joined;
}

function needed(node: ReadyNode, index: number): Value {
  const value = node.operands[index];
  if (value === undefined) throw new OpwiseError("bad-onnx", `\`${node.schema.name}-${node.schema.since}\` lacks its input ${index + 1}`);
  return value;
}

/** The type of a carried value: what the body declares, else what goes in; sizes may change from round to round. */
function carriedType(lowering: OnnxLowering, graph: GraphProto, outer: Scope, index: number, initial: Value): Type {
  const declared = lowering.inner(graph, outer).declared(graph.inputs[index]?.name ?? "", lowering.open);
  const given = withoutShape(initial.type);
  if (declared === undefined) return given;
  return withoutShape(compatible(given, declared) ? (mergeTypes(given, declared) ?? given) : declared);
}

/**
 * Loop. The body's condition ends the loop also where no condition goes in, as onnxruntime and the reference evaluator have
 * it; so within a round it is always true.
 */
function lowerLoop(lowering: OnnxLowering, node: ReadyNode): Value[] {
  const emit = new Emitter(lowering, node);
  const { graph, scope } = graphOf(node.attributes, "body");
  const [limit, first, ...initial] = node.operands;
  // Trailing values may be left out only where they are optional, which carried ones are not.
  const carried = initial.map((_value, i) => needed(node, i + 2));
  const count = carried.length;
  emit.count(graph, count + 2, undefined);
  const scans = graph.outputs.length - 1 - count;
  if (scans < 0)
    throw new OpwiseError("bad-onnx", `the graph \`${graph.name}\` does not fit its node`, {
      wanted: `at least ${count + 1} outputs`,
      got: String(graph.outputs.length),
    });
  const trips = limit === undefined ? emit.int(NO_LIMIT) : emit.toInt(limit);
  const condition = first === undefined ? emit.bool(true) : emit.toBool(first);
  const lists = Array.from({ length: scans }, () => emit.list());
  const scanned: Value[] = [];
  const types = carried.map((value, i) => carriedType(lowering, graph, scope, i + 2, value));
  const rankOf = (index: number): number => {
    const type = lowering.inner(graph, scope).declared(graph.inputs[index]?.name ?? "", lowering.open);
    return type?.kind === "Tensor" ? (type.shape?.length ?? 0) : 0;
  };
  const results = emit.loop(trips, condition, carried, types, node.proto.outputs, (index, values) => {
    let round = emit.op("prim::NumToTensor.Scalar", [index], tensorType("int64", []));
    if (rankOf(0) === 1) round = emit.op("aten::unsqueeze", [round, emit.int(0)], tensorType("int64", [1]));
    const going = emit.tensor("bool", rankOf(1) === 1 ? [1] : [], [1]);
    const [again, ...outputs] = emit.body(graph, scope, [round, going, ...values]);
    if (again === undefined) throw new OpwiseError("bad-onnx", `the graph \`${graph.name}\` gives no condition`);
    outputs.slice(count).forEach((item, k) => {
      const list = lists[k];
      if (list !== undefined) emit.append(list, item);
      scanned.push(item);
    });
    return [emit.toBool(again), ...outputs.slice(0, count)];
  });
  const stacked = lists.map((list, k) => {
    const item = scanned[k];
    return emit.stack(list, 0, false, item === undefined ? undefined : emit.like(item, emit.declaredOutput(graph, scope, 1 + count + k), 0));
  });
  return [...results, ...stacked];
}

/** Scan since version 9: states and slices in, states and stacked outputs out. */
function lowerScan(lowering: OnnxLowering, node: ReadyNode): Value[] {
  const emit = new Emitter(lowering, node);
  const { graph, scope } = graphOf(node.attributes, "body");
  const operands = node.operands.map((_value, i) => needed(node, i));
  const inputs = intOf(node.attributes, "num_scan_inputs") ?? 0;
  const states = operands.length - inputs;
  if (inputs < 1 || states < 0)
    throw new OpwiseError("bad-onnx", "`num_scan_inputs` does not fit the node's inputs", { wanted: `1 to ${operands.length}`, got: String(inputs) });
  emit.count(graph, operands.length, undefined);
  const scans = graph.outputs.length - states;
  if (scans < 0)
    throw new OpwiseError("bad-onnx", `the graph \`${graph.name}\` does not fit its node`, {
      wanted: `at least ${states} outputs`,
      got: String(graph.outputs.length),
    });
  const per = (name: string, length: number): readonly number[] => {
    const given = intsOf(node.attributes, name);
    if (given.length !== 0 && given.length !== length)
      throw new OpwiseError("bad-onnx", `\`${name}\` does not fit the node`, { wanted: `${length} ints`, got: String(given.length) });
    return Array.from({ length }, (_v, i) => given[i] ?? 0);
  };
  const axes = per("scan_input_axes", inputs);
  const directions = per("scan_input_directions", inputs);
  const outAxes = per("scan_output_axes", scans);
  const outDirections = per("scan_output_directions", scans);
  const slices = operands.slice(states);
  const trips = scanLength(emit, slices, axes);
  const run = scanLoop(emit, graph, scope, operands.slice(0, states), slices, axes, directions, trips, node.proto.outputs);
  const stacked = run.lists.map((list, k) => emit.stack(list, outAxes[k] ?? 0, outDirections[k] === 1, run.like(k, outAxes[k] ?? 0)));
  return [...run.states, ...stacked];
}

function scanLength(emit: Emitter, slices: readonly Value[], axes: readonly number[]): Value {
  const list = emit.op("prim::ListConstruct", slices, listOf(T.Tensor));
  const axisList = emit.lowering.builder.constant(
    { kind: "list", elem: T.int, items: axes.map((value) => ({ kind: "int", value })) },
    listOf(T.int),
    emit.node.scope.location,
  );
  return emit.op("opwise::scan_length", [list, axisList], T.int);
}

interface ScanRun {
  readonly states: Value[];
  readonly lists: readonly Value[];
  /** What output `k` is without any round. */
  readonly like: (k: number, axis: number) => Value | undefined;
}

/** The loop of a Scan: `trips` rounds over `slices` along `axes`. */
function scanLoop(
  emit: Emitter,
  graph: GraphProto,
  scope: Scope,
  initial: readonly Value[],
  slices: readonly Value[],
  axes: readonly number[],
  directions: readonly number[],
  trips: Value,
  names: readonly string[],
): ScanRun {
  const count = initial.length;
  const lists = Array.from({ length: graph.outputs.length - count }, () => emit.list());
  const types = initial.map((value, i) => carriedType(emit.lowering, graph, scope, i, value));
  const items: Value[] = [];
  const states = emit.loop(trips, emit.bool(true), initial, types, names, (index, values) => {
    // From the end: -1 - index.
    const backward = directions.includes(1) ? emit.op("aten::sub.int", [emit.int(-1), index], T.int) : index;
    const elements = slices.map((slice, i) => emit.select(slice, axes[i] ?? 0, directions[i] === 1 ? backward : index));
    const outputs = emit.body(graph, scope, [...values, ...elements]);
    outputs.slice(count).forEach((item, k) => {
      const list = lists[k];
      if (list !== undefined) emit.append(list, item);
      items.push(item);
    });
    return [emit.bool(true), ...outputs.slice(0, count)];
  });
  const like = (k: number, axis: number): Value | undefined => {
    const item = items[k];
    return item === undefined ? undefined : emit.like(item, emit.declaredOutput(graph, scope, count + k), axis);
  };
  return { states, lists, like };
}

/** Scan version 8: everything has a batch axis 0, slices run along axis 1, and each batch entry may have its own length. */
function lowerBatchedScan(lowering: OnnxLowering, node: ReadyNode): Value[] {
  const emit = new Emitter(lowering, node);
  const { graph, scope } = graphOf(node.attributes, "body");
  const [lengths] = node.operands;
  const operands = node.operands.slice(1).map((_value, i) => needed(node, i + 1));
  const inputs = intOf(node.attributes, "num_scan_inputs") ?? 0;
  const count = operands.length - inputs;
  if (inputs < 1 || count < 0)
    throw new OpwiseError("bad-onnx", "`num_scan_inputs` does not fit the node's inputs", { wanted: `1 to ${operands.length}`, got: String(inputs) });
  emit.count(graph, operands.length, undefined);
  if (graph.outputs.length < count)
    throw new OpwiseError("bad-onnx", `the graph \`${graph.name}\` does not fit its node`, {
      wanted: `at least ${count} outputs`,
      got: String(graph.outputs.length),
    });
  const given = intsOf(node.attributes, "directions");
  const directions = Array.from({ length: inputs }, (_v, i) => given[i] ?? 0);
  const slices = operands.slice(count);
  const longest = scanLength(
    emit,
    slices,
    slices.map(() => 1),
  );
  const batches = scanLength(
    emit,
    operands,
    operands.map(() => 0),
  );
  const lists = Array.from({ length: graph.outputs.length }, () => emit.list());
  emit.loop(batches, emit.bool(true), [], [], [], (batch) => {
    const row = (value: Value): Value => emit.select(value, 0, batch);
    const trips = lengths === undefined ? longest : emit.toInt(row(lengths));
    const run = scanLoop(
      emit,
      graph,
      scope,
      operands.slice(0, count).map(row),
      slices.map(row),
      slices.map(() => 0),
      directions,
      trips,
      [],
    );
    const stacked = run.lists.map((list, k) => emit.stack(list, 0, false, run.like(k, 0), longest));
    [...run.states, ...stacked].forEach((value, i) => {
      const list = lists[i];
      if (list !== undefined) emit.append(list, value);
    });
    return [emit.bool(true)];
  });
  return lists.map((list) => emit.stack(list, 0, false, undefined));
}

/** SequenceMap: the body on each element of the first sequence; other sequences go along, tensors go in whole. */
function lowerSequenceMap(lowering: OnnxLowering, node: ReadyNode): Value[] {
  const emit = new Emitter(lowering, node);
  const { graph, scope } = graphOf(node.attributes, "body");
  const operands = node.operands.map((_value, i) => needed(node, i));
  emit.count(graph, operands.length, node.proto.outputs.length);
  const lists = node.proto.outputs.map(() => emit.list());
  const trips = emit.op("aten::len.t", [needed(node, 0)], T.int);
  emit.loop(trips, emit.bool(true), [], [], [], (index) => {
    const inputs = operands.map((operand) => (operand.type.kind === "List" ? emit.op("aten::__getitem__.t", [operand, index], operand.type.elem) : operand));
    emit.body(graph, scope, inputs).forEach((item, k) => {
      const list = lists[k];
      if (list !== undefined) emit.append(list, item);
    });
    return [emit.bool(true)];
  });
  return lists;
}

/**
 * FlexAttention: `softmax(score_mod(Q K^T * scale))` through `prob_mod`, times V; the modifiers' graphs stand in place. Heads of K
 * and V are repeated to those of Q; the scale is split over both factors, as the standard's own body has it.
 */
function lowerFlexAttention(lowering: OnnxLowering, node: ReadyNode): Value[] {
  const emit = new Emitter(lowering, node);
  const [q, k, v] = [needed(node, 0), needed(node, 1), needed(node, 2)];
  const type = withoutShape(q.type);
  const repeats = emit.op(
    "aten::floordiv.int",
    [emit.op("aten::size.int", [q, emit.int(1)], T.int), emit.op("aten::size.int", [k, emit.int(1)], T.int)],
    T.int,
  );
  const align = (value: Value): Value => emit.op("aten::repeat_interleave.self_int", [value, repeats, emit.int(1), undefined], withoutShape(value.type));
  const f32 = tensorType("float32");
  const given = node.attributes.get("scale")?.value;
  let scale: Value;
  if (given?.kind === "float") scale = emit.tensor("float32", [1], [given.value]);
  else {
    const size = emit.onnx("Shape", [q], tensorType("int64"), { start: { kind: "int", value: 3 }, end: { kind: "int", value: 4 } });
    const root = emit.onnx("Sqrt", [emit.onnx("Cast", [size], f32, { to: { kind: "int", value: 1 } })], f32);
    scale = emit.onnx("Div", [emit.tensor("float32", [1], [1]), root], f32);
  }
  const half = emit.onnx("CastLike", [emit.onnx("Sqrt", [scale], f32), q], type);
  const keys = emit.onnx("Transpose", [emit.onnx("Mul", [align(k), half], type)], type, {
    perm: { kind: "list", elem: T.int, items: [0, 1, 3, 2].map((value) => ({ kind: "int", value })) },
  });
  const scores = emit.onnx("MatMul", [emit.onnx("Mul", [q, half], type), keys], type);
  const code = intOf(node.attributes, "softmax_precision") ?? (type.kind === "Tensor" && type.dtype === "float64" ? 11 : 1);
  const precise = tensorType(code === 11 ? "float64" : code === 10 ? "float16" : code === 16 ? "bfloat16" : "float32");
  const cast = (value: Value): Value => emit.onnx("Cast", [value], precise, { to: { kind: "int", value: code } });
  const modify = (name: string, value: Value): Value => {
    if (!node.attributes.has(name)) return value;
    const { graph, scope } = graphOf(node.attributes, name);
    emit.count(graph, 1, 1);
    const [result] = emit.body(graph, scope, [value]);
    return result ?? value;
  };
  const probabilities = emit.onnx("Softmax", [modify("score_mod", cast(scores))], precise, { axis: { kind: "int", value: 3 } });
  const result = emit.onnx("MatMul", [modify("prob_mod", probabilities), cast(align(v))], precise);
  return [emit.onnx("CastLike", [result, v], withoutShape(v.type))];
}
