/** LSTM, GRU and plain recurrent layers. */

import { Tensor } from "../../tensor/tensor.ts";
import type { Handler, OpCall } from "../meaning.ts";
import type { OnnxValue } from "../graph.ts";
import type { DType } from "../../tensor/dtype.ts";
import { addCheck, STAND_IN } from "../meaning.ts";
import { reduceValue } from "../nodes.ts";
import { metaTensor, type SymTensor } from "../values.ts";
import { boolArg, isSym, isSymTensor, itemsOf, numberArg, tensorArg, wideFloat } from "./tools.ts";

interface Cell {
  readonly op: "LSTM" | "GRU" | "RNN";
  /** Places in PyTorch's order of the gates that ONNX has in its own. */
  readonly gates: readonly number[];
  readonly activation?: string;
}
const CELLS: Readonly<Record<string, Cell>> = {
  lstm: { op: "LSTM", gates: [0, 3, 1, 2] },
  gru: { op: "GRU", gates: [1, 0, 2] },
  rnn_tanh: { op: "RNN", gates: [0], activation: "Tanh" },
  rnn_relu: { op: "RNN", gates: [0], activation: "Relu" },
};

/** A weight with its gates in ONNX's order. */
function ordered(call: OpCall, t: SymTensor, cell: Cell, dtype: DType): OnnxValue {
  const { x } = call;
  if (cell.gates.length === 1) return x.g.cast(x.valueOf(t), dtype);
  const n = (t.dims[0] ?? 0) / cell.gates.length;
  const known = x.knownOf(t);
  if (known?.dtype === dtype) {
    const { data } = known;
    const row = known.numel / cell.gates.length;
    const out = Tensor.zeros(known.shape, known.dtype);
    cell.gates.forEach((from, to) => {
      const part = data.subarray(from * row, (from + 1) * row);
      const target = out.data;
      for (let i = 0; i < row; i++) target[to * row + i] = part[i] ?? 0;
    });
    return x.constantOf(out, t.storage.label);
  }
  const value = x.g.cast(x.valueOf(t), dtype);
  return x.op(
    "Concat",
    cell.gates.map((g) => x.op("Slice", [value, x.g.ints([g * n]), x.g.ints([(g + 1) * n]), x.g.ints([0])])),
    { axis: 0 },
  );
}

/** `x.input(input, hx, params, has_biases, layers, dropout, train, bidirectional, batch_first)` */
function layersOf(name: string): Handler {
  const cell = CELLS[name] ?? { op: "RNN", gates: [0] };
  return (call) => {
    const { x } = call;
    const input = tensorArg(call, 0);
    const isLstm = cell.op === "LSTM";
    const states = isLstm ? (itemsOf(call.args[1] ?? null) ?? []) : [call.args[1] ?? null];
    const params = (itemsOf(call.args[2] ?? null) ?? []).filter((p): p is SymTensor => isSymTensor(p));
    if (isSymTensor(call.args[2]) || !states.every(isSymTensor)) return undefined; // packed sequences have another form
    if (input.rank !== 3) return undefined;
    const batchFirst = boolArg(call, 8);
    const type = wideFloat(input.dtype);
    const given = x.g.cast(x.valueOf(input), type);
    const value = batchFirst ? x.op("Transpose", [given], { perm: [1, 0, 2] }) : given;
    const hx = states.filter((s): s is SymTensor => isSymTensor(s));
    const done = runLayers(call, cell, { value, type, hx, params, first: 3, lengths: undefined });
    if (done === undefined) return undefined;
    const { out, lasts, hidden, ways, count } = done;
    const metas = call.meta();
    const batch = input.dims[batchFirst ? 0 : 1];
    const results = [batchFirst ? x.op("Transpose", [out], { perm: [1, 0, 2] }) : out, ...lasts];
    return results.map((v, i) =>
      x.result(v, metas[i] ?? input.meta, call.args, i === 0 ? [input.dims[0], input.dims[1], ways * hidden] : [ways * count, batch, hidden]),
    );
  };
}

interface Layers {
  /** `[T, B, F]`. */
  readonly value: OnnxValue;
  readonly type: DType;
  readonly hx: readonly SymTensor[];
  readonly params: readonly SymTensor[];
  /** Where `has_biases, num_layers, dropout, train, bidirectional` begin among the arguments. */
  readonly first: number;
  /** Steps of each item, int32; all steps where there are none. */
  readonly lengths: OnnxValue | undefined;
}
/** The layers one after another; undefined where kernels have not what they need. */
function runLayers(
  call: OpCall,
  cell: Cell,
  { value: input, type, hx, params, first, lengths }: Layers,
): { readonly out: OnnxValue; readonly lasts: readonly OnnxValue[]; readonly hidden: number; readonly ways: number; readonly count: number } | undefined {
  const { x } = call;
  const biases = boolArg(call, first);
  const count = numberArg(call, first + 1);
  if (boolArg(call, first + 3) && numberArg(call, first + 2) > 0 && count > 1) return undefined;
  const both = boolArg(call, first + 4);
  const ways = both ? 2 : 1;
  const each = biases ? 4 : 2;
  const hidden = params[1]?.dims[1];
  if (params.length !== each * ways * count || hidden === undefined) return undefined;
  if (type !== "float32" && (type !== "float64" || cell.op === "RNN")) return undefined;
  const f = (t: SymTensor): OnnxValue => x.g.cast(x.valueOf(t), type);
  let value = input;
  const lasts: OnnxValue[][] = [[], []];
  for (let layer = 0; layer < count; layer++) {
    const own = params.slice(layer * ways * each, (layer + 1) * ways * each);
    const pack = (at: number): OnnxValue => {
      const parts = Array.from({ length: ways }, (_, d) => own[d * each + at]).map((p) =>
        x.op("Unsqueeze", [p === undefined ? value : ordered(call, p, cell, type), x.g.ints([0])]),
      );
      return parts.length === 1 ? (parts[0] ?? value) : x.op("Concat", parts, { axis: 0 });
    };
    const bias = biases ? x.op("Concat", [pack(2), pack(3)], { axis: 1 }) : undefined;
    const initial = hx.map((s) => x.op("Slice", [f(s), x.g.ints([layer * ways]), x.g.ints([(layer + 1) * ways]), x.g.ints([0])]));
    const strings =
      cell.activation === undefined
        ? undefined
        : { kind: "strings" as const, value: Array.from({ length: ways }, () => new TextEncoder().encode(cell.activation)) };
    const [all, ...ends] = x.g.node(cell.op, [value, pack(0), pack(1), bias, lengths, ...initial], {
      dtypes: cell.op === "LSTM" ? [type, type, type] : [type, type],
      attributes: {
        hidden_size: hidden,
        direction: both ? "bidirectional" : "forward",
        ...(cell.op === "GRU" ? { linear_before_reset: 1 } : {}),
        activations: strings,
      },
    });
    if (all === undefined) return undefined;
    ends.forEach((e, i) => lasts[i]?.push(e));
    // [T, ways, B, H] to [T, B, ways * H]
    value = x.op("Reshape", [x.op("Transpose", [all], { perm: [0, 2, 1, 3] }), x.g.ints([0, 0, ways * hidden])]);
  }
  const join = (parts: readonly OnnxValue[]): OnnxValue => (parts.length === 1 ? (parts[0] ?? value) : x.op("Concat", parts, { axis: 0 }));
  return { out: value, lasts: hx.map((_, i) => join(lasts[i] ?? [])), hidden, ways, count };
}

// ---- packed sequences: the rows of all steps one after another, with how many items each step has -----------------------------------

/** Places of the rows in `[T, B, …]`, row by row: `[N, 2]`. */
function placesOfRows(call: OpCall, sizes: OnnxValue): { readonly places: OnnxValue; readonly batch: OnnxValue; readonly mask: OnnxValue } {
  const { x } = call;
  const batch = x.op("Gather", [sizes, x.g.scalar(0, "int64")], { axis: 0 });
  const items = x.op("Range", [x.g.scalar(0, "int64"), batch, x.g.scalar(1, "int64")]);
  const mask = x.op("Less", [x.op("Unsqueeze", [items, x.g.ints([0])]), x.op("Unsqueeze", [sizes, x.g.ints([1])])], {}, "bool");
  return { places: x.op("Transpose", [x.op("NonZero", [mask], {}, "int64")], { perm: [1, 0] }), batch, mask };
}
const packSequence: Handler = (call) => {
  const { x } = call;
  const [input, lengths] = [tensorArg(call, 0), tensorArg(call, 1)];
  const value = boolArg(call, 2) ? x.op("Transpose", [x.valueOf(input)], { perm: [1, 0, ...input.dims.map((_, i) => i).slice(2)] }) : x.valueOf(input);
  const n = x.g.cast(x.valueOf(lengths), "int64");
  const longest = x.op("Gather", [n, x.g.scalar(0, "int64")], { axis: 0 });
  const steps = x.op("Range", [x.g.scalar(0, "int64"), longest, x.g.scalar(1, "int64")]);
  const alive = x.op("Greater", [x.op("Unsqueeze", [n, x.g.ints([0])]), x.op("Unsqueeze", [steps, x.g.ints([1])])], {}, "bool");
  const sizes = reduceValue(x.g, "ReduceSum", x.g.cast(alive, "int64"), [1], false);
  // Sorted lengths, as the op wants them: the items of a step are the first ones.
  addCheck(
    x,
    x.op(
      "GreaterOrEqual",
      [x.op("Slice", [n, x.g.ints([0]), x.g.ints([-1])]), x.op("Slice", [n, x.g.ints([1]), x.g.ints([9223372036854775807n])])],
      {},
      "bool",
    ),
  );
  const rows = x.op("GatherND", [value, placesOfRows(call, sizes).places]);
  const tail = input.meta.shape.slice(2);
  return [
    x.tensor(rows, metaTensor([STAND_IN, ...tail], input.dtype), [undefined, ...input.dims.slice(2)], undefined),
    x.tensor(sizes, metaTensor([STAND_IN], "int64"), [undefined], undefined),
  ];
};
/** Rows at their places, `fill` elsewhere: `[T, B, …]`. */
function unpacked(call: OpCall, rows: OnnxValue, sizes: OnnxValue, fill: OnnxValue, rank: number): { readonly value: OnnxValue; readonly mask: OnnxValue } {
  const { x } = call;
  const { places, batch, mask } = placesOfRows(call, sizes);
  const one = x.g.ints([1]);
  const shape = x.op(
    "Concat",
    [x.op("Shape", [sizes], {}, "int64"), x.op("Reshape", [batch, one]), x.op("Slice", [x.op("Shape", [rows], {}, "int64"), one, x.g.ints([rank])])],
    { axis: 0 },
  );
  return { value: x.op("ScatterND", [x.op("Expand", [fill, shape]), places, rows]), mask };
}
const padSequence: Handler = (call) => {
  const { x } = call;
  const [data, batches] = [tensorArg(call, 0), tensorArg(call, 1)];
  const given = call.args[4] ?? 0;
  const total = isSym(given) && x.isFixed(given.roots) ? Number(given.hint) : given;
  const fill = x.scalarValue(call.args[3] ?? 0, data.dtype);
  const sizes = x.valueOf(batches);
  const { value, mask } = unpacked(call, x.valueOf(data), sizes, fill, data.rank);
  let padded = value;
  if (isSym(total) || Number(total) > 0) {
    const more = x.op("Sub", [x.op("Reshape", [x.scalarValue(total, "int64"), x.g.ints([1])]), x.op("Shape", [sizes], {}, "int64")]);
    padded = x.op("Pad", [
      value,
      x.op("Concat", [x.g.ints(Array.from({ length: data.rank + 1 }, () => 0)), more, x.g.ints(Array.from({ length: data.rank }, () => 0))], { axis: 0 }),
      fill,
    ]);
  }
  const first = boolArg(call, 2);
  const out = first ? x.op("Transpose", [padded], { perm: [1, 0, ...data.dims.map((_, i) => i + 1).slice(1)] }) : padded;
  const time = !isSym(total) && Number(total) > 0 ? Number(total) : undefined;
  const lead = first ? [undefined, time] : [time, undefined];
  return [
    x.tensor(out, metaTensor([...lead.map((d) => d ?? STAND_IN), ...data.meta.shape.slice(1)], data.dtype), [...lead, ...data.dims.slice(1)], undefined),
    x.tensor(reduceValue(x.g, "ReduceSum", x.g.cast(mask, "int64"), [0], false), metaTensor([STAND_IN], "int64"), [undefined], undefined),
  ];
};
/** `x.data(data, batch_sizes, hx, params, has_biases, layers, dropout, train, bidirectional)` */
function packedLayers(name: string): Handler {
  const cell = CELLS[name] ?? { op: "RNN", gates: [0] };
  return (call) => {
    const { x } = call;
    const [data, batches] = [tensorArg(call, 0), tensorArg(call, 1)];
    const states = cell.op === "LSTM" ? (itemsOf(call.args[2] ?? null) ?? []) : [call.args[2] ?? null];
    const hx = states.filter((s): s is SymTensor => isSymTensor(s));
    const params = (itemsOf(call.args[3] ?? null) ?? []).filter((p): p is SymTensor => isSymTensor(p));
    const type = wideFloat(data.dtype);
    const sizes = x.valueOf(batches);
    const { value, mask } = unpacked(call, x.g.cast(x.valueOf(data), type), sizes, x.g.scalar(0, type), data.rank);
    const lengths = x.g.cast(reduceValue(x.g, "ReduceSum", x.g.cast(mask, "int64"), [0], false), "int32");
    const done = runLayers(call, cell, { value, type, hx, params, first: 4, lengths });
    if (done === undefined) return undefined;
    const { out, lasts, hidden, ways, count } = done;
    const rows = x.op("GatherND", [out, placesOfRows(call, sizes).places]);
    const state = metaTensor([ways * count, hx[0]?.meta.shape[1] ?? STAND_IN, hidden], data.dtype);
    return [
      x.tensor(x.g.cast(rows, data.dtype), metaTensor([STAND_IN, ways * hidden], data.dtype), [data.dims[0], ways * hidden], data.roots),
      ...lasts.map((v) => x.tensor(x.g.cast(v, data.dtype), state, [ways * count, undefined, hidden], hx[0]?.roots)),
    ];
  };
}

/** One step of a cell, as arithmetic. */
function cellOf(name: string): Handler {
  return (call) => {
    const { x } = call;
    const input = tensorArg(call, 0);
    const isLstm = name === "lstm";
    const hx = isLstm ? (itemsOf(call.args[1] ?? null) ?? []) : [call.args[1] ?? null];
    const [wi, wh] = [tensorArg(call, 2), tensorArg(call, 3)];
    const [bi, bh] = [call.args[4], call.args[5]];
    const [h, c] = hx;
    if (!isSymTensor(h) || input.rank !== 2) return undefined;
    const type = wideFloat(input.dtype);
    const f = (t: SymTensor): OnnxValue => x.g.cast(x.valueOf(t), type);
    const gemm = (a: SymTensor, w: SymTensor, b: unknown): OnnxValue => x.op("Gemm", [f(a), f(w), isSymTensor(b) ? f(b) : undefined], { transB: 1 });
    const [gi, gh] = [gemm(input, wi, bi), gemm(h, wh, bh)];
    const n = wh.dims[1];
    if (n === undefined) return undefined;
    const cut = (v: OnnxValue, i: number): OnnxValue => x.op("Slice", [v, x.g.ints([i * n]), x.g.ints([(i + 1) * n]), x.g.ints([1])]);
    const s = (v: OnnxValue): OnnxValue => x.op("Sigmoid", [v]);
    const metas = call.meta();
    const dims = [input.dims[0], n];
    const finish = (v: OnnxValue, i: number): SymTensor => x.result(v, metas[i] ?? input.meta, call.args, dims);
    if (isLstm) {
      if (!isSymTensor(c)) return undefined;
      const g = x.op("Add", [gi, gh]);
      const next = x.op("Add", [x.op("Mul", [s(cut(g, 1)), f(c)]), x.op("Mul", [s(cut(g, 0)), x.op("Tanh", [cut(g, 2)])])]);
      return [finish(x.op("Mul", [s(cut(g, 3)), x.op("Tanh", [next])]), 0), finish(next, 1)];
    }
    if (name === "gru") {
      const r = s(x.op("Add", [cut(gi, 0), cut(gh, 0)]));
      const z = s(x.op("Add", [cut(gi, 1), cut(gh, 1)]));
      const fresh = x.op("Tanh", [x.op("Add", [cut(gi, 2), x.op("Mul", [r, cut(gh, 2)])])]);
      return finish(x.op("Add", [x.op("Mul", [x.op("Sub", [f(h), fresh]), z]), fresh]), 0);
    }
    return finish(x.op(name === "rnn_relu" ? "Relu" : "Tanh", [x.op("Add", [gi, gh])]), 0);
  };
}
export const recurrent: Readonly<Record<string, Handler>> = {
  "aten::_pack_padded_sequence": packSequence,
  "aten::_pad_packed_sequence": padSequence,
  "aten::lstm.data": packedLayers("lstm"),
  "aten::gru.data": packedLayers("gru"),
  "aten::rnn_tanh.data": packedLayers("rnn_tanh"),
  "aten::rnn_relu.data": packedLayers("rnn_relu"),
  "aten::lstm.input": layersOf("lstm"),
  "aten::gru.input": layersOf("gru"),
  "aten::rnn_tanh.input": layersOf("rnn_tanh"),
  "aten::rnn_relu.input": layersOf("rnn_relu"),
  "aten::lstm_cell": cellOf("lstm"),
  "aten::gru_cell": cellOf("gru"),
  "aten::rnn_tanh_cell": cellOf("rnn_tanh"),
  "aten::rnn_relu_cell": cellOf("rnn_relu"),
};
