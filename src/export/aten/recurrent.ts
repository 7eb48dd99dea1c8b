/** LSTM, GRU and plain recurrent layers. */

import { Tensor } from "../../tensor/tensor.ts";
import type { Handler, OpCall } from "../meaning.ts";
import type { OnnxValue } from "../graph.ts";
import type { DType } from "../../tensor/dtype.ts";
import type { SymTensor } from "../values.ts";
import { boolArg, isSymTensor, itemsOf, numberArg, tensorArg, wideFloat } from "./tools.ts";

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
    const hx = states.filter((s): s is SymTensor => isSymTensor(s));
    const biases = boolArg(call, 3);
    const count = numberArg(call, 4);
    if (boolArg(call, 6) && numberArg(call, 5) > 0 && count > 1) return undefined;
    const both = boolArg(call, 7);
    const batchFirst = boolArg(call, 8);
    const ways = both ? 2 : 1;
    const each = biases ? 4 : 2;
    if (params.length !== each * ways * count || input.rank !== 3) return undefined;
    const type = wideFloat(input.dtype);
    if (type !== "float32" && (type !== "float64" || cell.op === "RNN")) return undefined;
    const f = (t: SymTensor): OnnxValue => x.g.cast(x.valueOf(t), type);
    const hidden = params[1]?.dims[1];
    if (hidden === undefined) return undefined;
    let value = batchFirst ? x.op("Transpose", [f(input)], { perm: [1, 0, 2] }) : f(input);
    const lasts: OnnxValue[][] = [[], []];
    const one = x.g.ints([0]);
    for (let layer = 0; layer < count; layer++) {
      const own = params.slice(layer * ways * each, (layer + 1) * ways * each);
      const pack = (at: number): OnnxValue => {
        const parts = Array.from({ length: ways }, (_, d) => own[d * each + at]).map((p) =>
          x.op("Unsqueeze", [p === undefined ? value : ordered(call, p, cell, type), one]),
        );
        return parts.length === 1 ? (parts[0] ?? value) : x.op("Concat", parts, { axis: 0 });
      };
      const bias = biases ? x.op("Concat", [pack(2), pack(3)], { axis: 1 }) : undefined;
      const initial = hx.map((s) => x.op("Slice", [f(s), x.g.ints([layer * ways]), x.g.ints([(layer + 1) * ways]), x.g.ints([0])]));
      const strings =
        cell.activation === undefined
          ? undefined
          : { kind: "strings" as const, value: Array.from({ length: ways }, () => new TextEncoder().encode(cell.activation)) };
      const outputs = x.g.node(cell.op, [value, pack(0), pack(1), bias, undefined, ...initial], {
        dtypes: isLstm ? [type, type, type] : [type, type],
        attributes: {
          hidden_size: hidden,
          direction: both ? "bidirectional" : "forward",
          ...(cell.op === "GRU" ? { linear_before_reset: 1 } : {}),
          activations: strings,
        },
      });
      const [all, ...ends] = outputs;
      if (all === undefined) return undefined;
      ends.forEach((e, i) => lasts[i]?.push(e));
      // [T, ways, B, H] to [T, B, ways * H]
      const swapped = x.op("Transpose", [all], { perm: [0, 2, 1, 3] });
      value = x.op("Reshape", [swapped, x.g.ints([0, 0, ways * hidden])]);
    }
    const join = (parts: readonly OnnxValue[]): OnnxValue => (parts.length === 1 ? (parts[0] ?? value) : x.op("Concat", parts, { axis: 0 }));
    const metas = call.meta();
    const out = batchFirst ? x.op("Transpose", [value], { perm: [1, 0, 2] }) : value;
    const batch = input.dims[batchFirst ? 0 : 1];
    const results = [out, ...hx.map((_, i) => join(lasts[i] ?? []))];
    return results.map((v, i) =>
      x.result(v, metas[i] ?? input.meta, call.args, i === 0 ? [input.dims[0], input.dims[1], ways * hidden] : [ways * count, batch, hidden]),
    );
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
  "aten::lstm.input": layersOf("lstm"),
  "aten::gru.input": layersOf("gru"),
  "aten::rnn_tanh.input": layersOf("rnn_tanh"),
  "aten::rnn_relu.input": layersOf("rnn_relu"),
  "aten::lstm_cell": cellOf("lstm"),
  "aten::gru_cell": cellOf("gru"),
  "aten::rnn_tanh_cell": cellOf("rnn_tanh"),
  "aten::rnn_relu_cell": cellOf("rnn_relu"),
};
