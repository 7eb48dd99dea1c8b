/** Factorisations of real matrices as Loops over columns, in double precision: lu, solve, inverse, cholesky, triangular, qr. Matrices are the last two axes. */

import type { LinalgCall } from "../prims/call.ts";
import { numelOf } from "../tensor/shape.ts";
import { Tensor } from "../tensor/tensor.ts";
import { whereValue } from "./expressions.ts";
import { type GraphBuilder, loopNode, type OnnxValue } from "./graph.ts";
import { refuse } from "./values.ts";

/** `[B, m, n]` and what makes rows, columns and numbers of it. */
class Matrices {
  readonly g: GraphBuilder;
  readonly batch: number;
  constructor(g: GraphBuilder, batch: number) {
    this.g = g;
    this.batch = batch;
  }
  op(type: string, ...inputs: OnnxValue[]): OnnxValue {
    return this.g.op(type, inputs);
  }
  compare(type: string, a: OnnxValue, b: OnnxValue): OnnxValue {
    return this.g.op(type, [a, b], {}, "bool");
  }
  int(value: number): OnnxValue {
    return this.g.scalar(value, "int64");
  }
  real(value: number): OnnxValue {
    return this.g.scalar(value, "float64");
  }
  iota(n: number, shape: readonly number[]): OnnxValue {
    return this.g.constant(
      Tensor.from(
        BigInt64Array.from({ length: n }, (_, i) => BigInt(i)),
        shape,
      ),
    );
  }
  row(a: OnnxValue, at: OnnxValue): OnnxValue {
    return this.g.op("Gather", [a, at], { axis: -2 });
  }
  column(a: OnnxValue, at: OnnxValue): OnnxValue {
    return this.g.op("Gather", [a, at], { axis: -1 });
  }
  /** With a further axis of 1. */
  lift(a: OnnxValue, axis: number): OnnxValue {
    return this.g.op("Unsqueeze", [a, this.g.ints([axis])]);
  }
  flip(a: OnnxValue): OnnxValue {
    return this.g.op("Transpose", [a], { perm: [0, 2, 1] });
  }
  expand(a: OnnxValue, shape: readonly number[]): OnnxValue {
    return this.g.op("Expand", [a, this.g.ints(shape)]);
  }
  eye(n: number): OnnxValue {
    const out = Tensor.zeros([1, n, n], "float64");
    const data = out.storage.array("f64");
    for (let i = 0; i < n; i++) data[i * n + i] = 1;
    return this.expand(this.g.constant(out), [this.batch, n, n]);
  }
  /** Rows put in the order of `order [B, n]`. */
  reorder(a: OnnxValue, order: OnnxValue, rows: number, cols: number): OnnxValue {
    return this.g.op("GatherElements", [a, this.expand(this.lift(order, 2), [this.batch, rows, cols])], { axis: 1 });
  }
  /** Rows `j` and `p [B, 1]` change places: the order of all rows. */
  swapped(rows: OnnxValue, j: OnnxValue, p: OnnxValue): OnnxValue {
    return whereValue(this.g, this.compare("Equal", rows, j), p, whereValue(this.g, this.compare("Equal", rows, p), j, rows));
  }
  /** One more than the first column whose flag is set, 0 where none is: int32 `[B]` of flags `[k, B]`. */
  firstFlag(flags: OnnxValue): OnnxValue {
    const { g } = this;
    const first = g.op("ArgMax", [g.cast(flags, "int32")], { axis: 0, keepdims: 0 }, "int64");
    const any = this.compare("Greater", g.op("ReduceSum", [g.cast(flags, "int32"), g.ints([0])], { keepdims: 0 }), g.scalar(0, "int32"));
    return g.cast(whereValue(g, any, this.op("Add", first, this.int(1)), this.int(0)), "int32");
  }

  /** LU with row exchanges, the exchanges (from 1, int64 `[B, k]`), and the first pivot of 0. */
  lu(a: OnnxValue, m: number, n: number, pivoting: boolean): { readonly lu: OnnxValue; readonly pivots: OnnxValue; readonly info: OnnxValue } {
    const { g } = this;
    const k = Math.min(m, n);
    const [rows, cols] = [this.iota(m, [1, m]), this.iota(n, [1, 1, n])];
    const { state, stacked } = loopNode(g, this.int(k), [a], (j, [start]) => {
      let now = start ?? a;
      const size = whereValue(g, this.compare("GreaterOrEqual", rows, j), this.op("Abs", this.column(now, j)), this.real(-1));
      const p = pivoting ? g.op("ArgMax", [size], { axis: 1, keepdims: 1 }, "int64") : this.expand(g.op("Reshape", [j, g.ints([1, 1])]), [this.batch, 1]);
      now = this.reorder(now, this.expand(this.swapped(rows, j, p), [this.batch, m]), m, n);
      const top = this.row(now, j);
      const pivot = this.lift(this.column(top, j), 1);
      const isZero = this.compare("Equal", pivot, this.real(0));
      const below = this.column(now, j);
      const divided = whereValue(g, isZero, below, this.op("Div", below, whereValue(g, isZero, this.real(1), pivot)));
      const factor = this.lift(whereValue(g, this.compare("Greater", rows, j), divided, this.real(0)), 2);
      const right = whereValue(g, this.compare("Greater", cols, j), this.lift(top, 1), this.real(0));
      const reduced = this.op("Sub", now, this.op("Mul", factor, right));
      const isFactor = this.op("And", this.compare("Equal", cols, j), this.compare("Greater", this.lift(rows, 2), j));
      return {
        go: undefined,
        state: [whereValue(g, isFactor, factor, reduced)],
        stacked: [g.op("Squeeze", [p, g.ints([1])]), g.op("Squeeze", [isZero, g.ints([1])])],
      };
    });
    const [pivots = a, zeros = a] = stacked;
    return { lu: state[0] ?? a, pivots: this.op("Add", g.op("Transpose", [pivots], { perm: [1, 0] }), this.int(1)), info: this.firstFlag(zeros) };
  }

  /** `X` of `A X = B` with a triangular `A [B, n, n]`. */
  triangular(a: OnnxValue, b: OnnxValue, n: number, upper: boolean, unit: boolean): OnnxValue {
    const { g } = this;
    const [rows, cols] = [this.iota(n, [1, n, 1]), this.iota(n, [1, n])];
    const { state } = loopNode(g, this.int(n), [b], (trip, [start]) => {
      const x = start ?? b;
      const i = upper ? this.op("Sub", this.int(n - 1), trip) : trip;
      const own = this.row(a, i);
      const solved = whereValue(g, this.compare(upper ? "Greater" : "Less", cols, i), own, this.real(0));
      const left = this.op("Sub", this.lift(this.row(x, i), 1), this.op("MatMul", this.lift(solved, 1), x));
      const value = unit ? left : this.op("Div", left, this.lift(this.lift(this.column(own, i), 1), 2));
      return { go: undefined, state: [whereValue(g, this.compare("Equal", rows, i), value, x)], stacked: [] };
    });
    return state[0] ?? b;
  }
  /** Row exchanges one after another, or the last first. */
  exchanged(b: OnnxValue, pivots: OnnxValue, n: number, r: number, backwards: boolean): OnnxValue {
    const { g } = this;
    const rows = this.iota(n, [1, n]);
    const { state } = loopNode(g, this.int(n), [b], (trip, [start]) => {
      const j = backwards ? this.op("Sub", this.int(n - 1), trip) : trip;
      const p = this.op("Sub", this.lift(this.column(g.cast(pivots, "int64"), j), 1), this.int(1));
      return { go: undefined, state: [this.reorder(start ?? b, this.expand(this.swapped(rows, j, p), [this.batch, n]), n, r)], stacked: [] };
    });
    return state[0] ?? b;
  }
  luSolve(lu: OnnxValue, pivots: OnnxValue, b: OnnxValue, n: number, r: number, transposed: boolean): OnnxValue {
    if (!transposed) return this.triangular(lu, this.triangular(lu, this.exchanged(b, pivots, n, r, false), n, false, true), n, true, false);
    const flipped = this.flip(lu);
    return this.exchanged(this.triangular(flipped, this.triangular(flipped, b, n, false, false), n, true, true), pivots, n, r, true);
  }
  cholesky(a: OnnxValue, n: number): { readonly factor: OnnxValue; readonly info: OnnxValue } {
    const { g } = this;
    const [rows, cols] = [this.iota(n, [1, n]), this.iota(n, [1, 1, n])];
    const { state, stacked } = loopNode(g, this.int(n), [this.op("Mul", a, this.real(0))], (j, [start]) => {
      const l = start ?? a;
      const v = this.op("Sub", this.column(a, j), g.op("Squeeze", [this.op("MatMul", l, this.lift(this.row(l, j), 2)), g.ints([2])]));
      const d = this.lift(this.column(v, j), 1);
      const column = whereValue(g, this.compare("GreaterOrEqual", rows, j), this.op("Div", v, this.op("Sqrt", d)), this.real(0));
      const bad = this.op("Not", this.compare("Greater", d, this.real(0)));
      return { go: undefined, state: [whereValue(g, this.compare("Equal", cols, j), this.lift(column, 2), l)], stacked: [g.op("Squeeze", [bad, g.ints([1])])] };
    });
    return { factor: state[0] ?? a, info: this.firstFlag(stacked[0] ?? a) };
  }
  /** Householder's reflections, with LAPACK's signs. */
  qr(a: OnnxValue, m: number, n: number): { readonly q: OnnxValue; readonly r: OnnxValue } {
    const { g } = this;
    const rows = this.iota(m, [1, m]);
    const sum = (v: OnnxValue): OnnxValue => g.op("ReduceSum", [v, g.ints([1])], { keepdims: 1 });
    const { state } = loopNode(g, this.int(Math.min(m, n)), [this.eye(m), a], (j, [qStart, rStart]) => {
      const [q, r] = [qStart ?? a, rStart ?? a];
      const column = whereValue(g, this.compare("GreaterOrEqual", rows, j), this.column(r, j), this.real(0));
      const top = this.lift(this.column(column, j), 1);
      const below = whereValue(g, this.compare("Greater", rows, j), column, this.real(0));
      const norm = this.op("Sqrt", sum(this.op("Mul", column, column)));
      const alpha = whereValue(g, this.compare("Less", top, this.real(0)), norm, this.op("Neg", norm));
      const v = whereValue(g, this.compare("Equal", rows, j), this.op("Sub", top, alpha), below);
      const length = sum(this.op("Mul", v, v));
      // A column that is zero below its diagonal stays as it is.
      const still = this.compare("Equal", sum(this.op("Mul", below, below)), this.real(0));
      const beta = whereValue(g, still, this.real(0), this.op("Div", this.real(2), whereValue(g, still, this.real(1), length)));
      const [tall, wide] = [this.lift(v, 2), this.lift(v, 1)];
      const factor = this.lift(beta, 2);
      const nextR = this.op("Sub", r, this.op("Mul", factor, this.op("MatMul", tall, this.op("MatMul", wide, r))));
      const nextQ = this.op("Sub", q, this.op("Mul", factor, this.op("MatMul", this.op("MatMul", q, tall), wide)));
      return { go: undefined, state: [nextQ, nextR], stacked: [] };
    });
    const [q = a, r = a] = state;
    return { q, r: g.op("Trilu", [r], { upper: 1 }) };
  }
}

/** Results of a linalg call in order: matrices `[B, …]`, vectors, numbers. @throws what is spelled out for none */
export function factorise(g: GraphBuilder, call: LinalgCall, read: (i: number) => OnnxValue): OnnxValue[] {
  const shapes = call.operands.map((v) => v.shape);
  const [first = []] = shapes;
  const [m = 1, n = 1] = first.slice(-2);
  const batch = numelOf(first.slice(0, -2));
  const x = new Matrices(g, batch);
  const operand = (i: number, core: 1 | 2): OnnxValue => {
    const shape = shapes[i] ?? [];
    const dtype = core === 2 ? "float64" : "int64";
    return g.op("Reshape", [g.cast(read(i), dtype), g.ints([batch, ...shape.slice(shape.length - core)])]);
  };
  const columns = (i: number): number => shapes[i]?.at(-1) ?? 1;
  const transposed = call.flags["transpose"] === "transpose" || call.flags["transpose"] === "adjoint";
  switch (call.name) {
    case "lu": {
      const { lu, pivots, info } = x.lu(operand(0, 2), m, n, call.flags["pivot"] !== false);
      return [lu, pivots, info];
    }
    case "luSolve":
      return [x.luSolve(operand(0, 2), operand(1, 1), operand(2, 2), n, columns(2), transposed)];
    case "solve": {
      const { lu, pivots, info } = x.lu(operand(0, 2), n, n, true);
      return [x.luSolve(lu, pivots, operand(1, 2), n, columns(1), false), lu, pivots, info];
    }
    case "inverse": {
      const { lu, pivots, info } = x.lu(operand(0, 2), n, n, true);
      return [x.luSolve(lu, pivots, x.eye(n), n, n, false), info];
    }
    case "cholesky": {
      const upper = call.flags["upper"] === true;
      const { factor, info } = x.cholesky(upper ? x.flip(operand(0, 2)) : operand(0, 2), n);
      return [upper ? x.flip(factor) : factor, info];
    }
    case "triangular": {
      const right = call.flags["left"] === false;
      // X A = B is A' X' = B'.
      const flips = transposed !== right;
      const upper = (call.flags["upper"] === true) !== flips;
      const a = flips ? x.flip(operand(0, 2)) : operand(0, 2);
      const b = right ? x.flip(operand(1, 2)) : operand(1, 2);
      const solved = x.triangular(a, b, n, upper, call.flags["unit"] === true);
      return [right ? x.flip(solved) : solved];
    }
    case "qr": {
      const { q, r } = x.qr(operand(0, 2), m, n);
      const k = Math.min(m, n);
      const whole = call.results.length > 1 && call.flags["mode"] === "complete";
      const cut = (v: OnnxValue, axis: number): OnnxValue => (whole ? v : g.op("Slice", [v, g.ints([0]), g.ints([k]), g.ints([axis])]));
      return call.results.length === 1 ? [cut(r, 1)] : [cut(q, 2), cut(r, 1)];
    }
    default:
      return refuse(`a matrix factorisation (${call.name}) has no counterpart in ONNX`);
  }
}
