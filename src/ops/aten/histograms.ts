/** Counting by value: histc, histogram, histogramdd, bincount. All are scatters that add. */

import { binary, cast, check, constant, type Expr, fold, index, load, scalar, select, unary } from "../../expr/expr.ts";
import { compute, copyOf, empty } from "../../prims/calls.ts";
import type { Context } from "../../prims/context.ts";
import { computeType, type Program } from "../../prims/program.ts";
import { narrowed, reshaped, selected } from "../../prims/views.ts";
import { type DType, dtypeInfo, isFloat, scalarName } from "../../tensor/dtype.ts";
import { OpwiseError, unreachable } from "../../tensor/error.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { op, type Op } from "../define.ts";
import { apply, elementwise } from "../elementwise.ts";
import { floatOf } from "./element.ts";
import { filled } from "./filling.ts";
import { scatterInto } from "./indexing.ts";
import { loadIndex, memo } from "./memo.ts";
import { extremum, sum } from "./reduction.ts";

const programs = memo<Program>();
const whole = (value: number): Expr => constant(value, "index");
const f64 = (value: number): Expr => constant(value, "f64");

/** Places of counted numbers: negative ones are refused. */
function bincountProgram(self: Tensor, weights: Tensor | null, dtype: DType): Program {
  return programs(`bincount ${self.dtype} ${weights?.dtype ?? ""}`, () => {
    const value = loadIndex(0, self.dtype, [index(0)]);
    const at = check(binary("ge", value, whole(0)), value, 0);
    const type = computeType(dtype);
    const one = weights === null ? constant(1n, "i64") : cast(load(1, computeType(weights.dtype), [index(0)]), type);
    return {
      name: "bincount", operands: [self.dtype, ...(weights === null ? [] : [weights.dtype])], scalars: [], messages: ["bincount only supports 1-d non-negative integral inputs."],
      outputs: [{ dtype: "int64", parts: [at] }, { dtype, parts: [one] }],
    };
  });
}

/** One edge more than bins between two bounds, which are run-time values: scalars, or the data's own extremes. */
function edges(ctx: Context, dtype: DType, bins: number, bounds: readonly [number, number] | readonly [Tensor, Tensor]): Tensor {
  if (bins < 1) throw new OpwiseError("bad-argument", `torch.histogram(): bins must be > 0, but got ${bins} for dimension 0`);
  const [a, b] = bounds;
  const given = typeof a === "number";
  const program = programs(`edges ${dtype} ${given}`, () => {
    const type = computeType(dtype);
    const bound = (k: 0 | 1): Expr => (given ? scalar(1 + k, "f64") : cast(load(k, type, []), "f64"));
    const [low, high] = [bound(0), bound(1)];
    // a single value gets a bin of width 2 around it
    const flat = binary("eq", low, high);
    const [from, to] = [select(flat, binary("sub", low, f64(0.5)), low), select(flat, binary("add", high, f64(0.5)), high)];
    const [i, n] = [cast(index(0), "f64"), scalar(0, "f64")];
    const step = binary("div", binary("sub", to, from), n);
    const value = select(binary("lt", i, binary("div", n, f64(2))), binary("add", from, binary("mul", step, i)), binary("sub", to, binary("mul", step, binary("sub", n, i))));
    return { name: "bin_edges", operands: given ? [] : [dtype, dtype], scalars: ["f64", "f64", "f64"], messages: [], outputs: [{ dtype, parts: [cast(value, type)] }] };
  });
  const operands = [a, b].filter((t): t is Tensor => typeof t !== "number");
  return compute(ctx, program, [bins + 1], operands, given ? [bins, a, Number(b)] : [bins, 0, 0])[0] ?? unreachable("edges");
}

/** Adds each row of `points [N, D]` to the bin that its coordinates fall in; the last bin of an axis holds its upper edge; outside counts nothing. */
function counted(ctx: Context, points: Tensor, limits: readonly Tensor[], weight: Tensor | null): Tensor {
  const { dtype } = points;
  const bins = limits.map((e) => e.numel - 1);
  const program = programs(`histogram ${dtype} ${limits.length} ${weight?.dtype ?? ""}`, () => {
    const type = computeType(dtype);
    let inside: Expr = constant(true, "bool");
    const at = limits.map((_, d) => {
      const x = load(0, type, [index(0), whole(d)]);
      const n = scalar(d, "index");
      const edge = (k: Expr): Expr => load(1 + d, type, [k]);
      inside = binary("and", inside, binary("and", binary("ge", x, edge(whole(0))), binary("le", x, edge(n))));
      // the last edge at or below x, by bisection
      const [low = whole(0)] = fold(0, whole(53), [whole(0), n], ([l = whole(0), h = n]) => {
        const middle = binary("quot", binary("add", l, h), whole(2));
        const fits = binary("le", edge(middle), x);
        return [select(fits, middle, l), select(fits, h, middle)];
      }, ([l = whole(0), h = n]) => binary("le", binary("sub", h, l), whole(1)));
      return low;
    });
    const value = weight === null ? constant(1, type) : cast(load(1 + limits.length, computeType(weight.dtype), [index(0)]), type);
    return {
      name: "histogram", operands: [dtype, ...limits.map(() => dtype), ...(weight === null ? [] : [weight.dtype])], scalars: limits.map(() => "index" as const), messages: [],
      outputs: [...at.map((e) => ({ dtype: "int64" as const, parts: [select(inside, e, whole(0))] })), { dtype, parts: [select(inside, value, constant(0, type))] }],
    };
  });
  const out = empty(ctx, bins, dtype);
  return scatterInto(ctx, out, program, [points.shape[0] ?? 0], [points, ...limits, ...(weight === null ? [] : [weight])], bins, "add");
}

const extremes = (ctx: Context, t: Tensor): readonly [Tensor, Tensor] | readonly [number, number] => (t.numel === 0 ? [0, 1] : [extremum(ctx, t, null, false, false), extremum(ctx, t, null, false, true)]);
const ratio = elementwise("div", (x, y) => x.div(y));
const gap = elementwise("sub", (x, y) => x.sub(y));

/** Counts as a probability density: over the total and the widths of the bins. */
function density(ctx: Context, hist: Tensor, limits: readonly Tensor[]): Tensor {
  let out = apply(ctx, ratio, [hist, sum(ctx, hist, null)]);
  limits.forEach((e, d) => {
    const n = e.numel - 1;
    const widths = apply(ctx, gap, [narrowed(e, 0, 1, n), narrowed(e, 0, 0, n)]);
    out = apply(ctx, ratio, [out, reshaped(ctx, widths, limits.map((_, i) => (i === d ? n : 1)))]);
  });
  return out;
}

function floating(self: Tensor, name: string): void {
  if (!isFloat(self.dtype)) throw new OpwiseError("unsupported-dtype", `"${name}" not implemented for '${scalarName(self.dtype)}'`, { wanted: "a floating point tensor" });
}

function histogram(ctx: Context, self: Tensor, limits: Tensor, weight: Tensor | null, dense: boolean): [Tensor, Tensor] {
  floating(self, "histogram");
  const hist = counted(ctx, reshaped(ctx, self, [self.numel, 1]), [limits], weight === null ? null : reshaped(ctx, weight, [weight.numel]));
  return [dense ? density(ctx, hist, [limits]) : hist, limits];
}

function histogramdd(ctx: Context, self: Tensor, bins: readonly number[] | readonly Tensor[] | number, range: readonly number[] | null, weight: Tensor | null, dense: boolean): [Tensor, Tensor[]] {
  floating(self, "histogramdd");
  if (self.rank < 2) throw new OpwiseError("shape-mismatch", "torch.histogramdd: input tensor should have at least 2 dimensions");
  const dims = self.shape[self.rank - 1] ?? 0;
  const points = reshaped(ctx, self, [self.numel / Math.max(dims, 1), dims]);
  const limits = Array.from({ length: dims }, (_, d): Tensor => {
    const own = typeof bins === "number" ? bins : bins[d];
    if (own === undefined) throw new OpwiseError("bad-argument", `torch.histogramdd: expected ${dims} sequences of bin edges for a ${dims}-dimensional histogram but got ${typeof bins === "number" ? 1 : bins.length}`);
    if (typeof own !== "number") return own;
    return edges(ctx, self.dtype, own, range === null ? extremes(ctx, selected(points, 1, d)) : [range[2 * d] ?? 0, range[2 * d + 1] ?? 0]);
  });
  const hist = counted(ctx, points, limits, weight === null ? null : reshaped(ctx, weight, [weight.numel]));
  return [dense ? density(ctx, hist, limits) : hist, limits];
}

const product = elementwise("mul", (x, y) => x.mul(y));
/** The bound, or one apart from it where both are the same. */
const spread = [
  elementwise("histc_low", (low, high) => low.eq(high).where(low.sub(1), low)),
  elementwise("histc_high", (high, low) => low.eq(high).where(high.add(1), high)),
] as const;

/** Equal bins between two bounds (the data's own where both are equal). Places are found in the tensor's own precision, as PyTorch's kernel finds them. */
function histc(ctx: Context, self: Tensor, bins: number, min: number, max: number): Tensor {
  if (bins < 1) throw new OpwiseError("bad-argument", `bins must be > 0, but got ${bins}`);
  if (!(min <= max)) throw new OpwiseError("bad-argument", "max must be larger than min");
  floating(self, "histogram_cpu");
  const { dtype } = self;
  const out = filled(ctx, [bins], dtype, { kind: "int", value: 0 });
  if (self.numel === 0) return out;
  const flat = reshaped(ctx, self, [self.numel]);
  const number = (value: number): Tensor => filled(ctx, [], dtype, { kind: "float", value });
  const [from, to] = min === max ? [extremum(ctx, flat, null, false, false), extremum(ctx, flat, null, false, true)] : [number(min), number(max)];
  const [low, high] = [apply(ctx, spread[0], [from, to]), apply(ctx, spread[1], [to, from])];
  const places = apply(ctx, ratio, [apply(ctx, product, [apply(ctx, gap, [flat, low]), number(bins)]), apply(ctx, gap, [high, low])]);
  const program = programs(`histc ${dtype}`, () => {
    const type = computeType(dtype);
    const [x, bottom, top] = [load(0, type, [index(0)]), load(2, type, []), load(3, type, [])];
    const place = cast(unary("trunc", cast(load(1, type, [index(0)]), "f64")), "index");
    const at = binary("min", place, binary("sub", scalar(0, "index"), whole(1)));
    const inside = binary("and", binary("ge", x, bottom), binary("le", x, top));
    return {
      name: "histc", operands: [dtype, dtype, dtype, dtype], scalars: ["index"], messages: [],
      outputs: [{ dtype: "int64", parts: [select(inside, at, whole(0))] }, { dtype, parts: [cast(inside, type)] }],
    };
  });
  return scatterInto(ctx, out, program, [flat.numel], [flat, places, low, high], [bins], "add");
}

export const histograms: readonly Op[] = [
  op("aten::bincount(Tensor self, Tensor? weights=None, SymInt minlength=0) -> Tensor", {
    reads: function* (ctx, self, weights, minlength) {
      if (dtypeInfo(self.dtype).class === "float") throw new OpwiseError("unsupported-dtype", `"bincount_cpu" not implemented for '${scalarName(self.dtype)}'`);
      if (self.rank !== 1) throw new OpwiseError("bad-argument", "bincount only supports 1-d non-negative integral inputs.");
      if (minlength < 0) throw new OpwiseError("bad-argument", "minlength should be >= 0");
      if (weights !== null && weights.numel !== self.numel) throw new OpwiseError("shape-mismatch", "weights should be 1-d and have the same length as input");
      const dtype: DType = weights === null ? "int64" : weights.dtype === "float32" ? "float32" : "float64";
      if (self.numel === 0) return empty(ctx, [minlength], weights === null ? "int64" : dtype);
      const top = extremum(ctx, self, null, false, true);
      yield top;
      const out = empty(ctx, [Math.max(Number(top.item()) + 1, minlength)], dtype);
      return scatterInto(ctx, out, bincountProgram(self, weights, dtype), self.shape, [self, ...(weights === null ? [] : [weights])], [], "add");
    },
  }),
  op("aten::histc(Tensor self, int bins=100, Scalar min=0, Scalar max=0) -> Tensor", { run: (ctx, self, bins, min, max) => histc(ctx, self, bins, floatOf(min), floatOf(max)) }),
  op("aten::histogram.bins_tensor(Tensor self, Tensor bins, *, Tensor? weight=None, bool density=False) -> (Tensor hist, Tensor bin_edges)", {
    run: (ctx, self, bins, weight, dense) => histogram(ctx, self, copyOf(ctx, bins), weight, dense),
  }),
  op("aten::histogram.bin_ct(Tensor self, int bins=100, *, float[]? range=None, Tensor? weight=None, bool density=False) -> (Tensor hist, Tensor bin_edges)", {
    run: (ctx, self, bins, range, weight, dense) => histogram(ctx, self, edges(ctx, self.dtype, bins, range === null ? extremes(ctx, self) : [range[0] ?? 0, range[1] ?? 0]), weight, dense),
  }),
  op("aten::histogramdd(Tensor self, int[] bins, float[]? range=None, Tensor? weight=None, bool density=False) -> (Tensor hist, Tensor[] bin_edges)", { run: histogramdd }),
  op("aten::histogramdd.int_bins(Tensor self, int bins, float[]? range=None, Tensor? weight=None, bool density=False) -> (Tensor hist, Tensor[] bin_edges)", { run: histogramdd }),
  op("aten::histogramdd.TensorList_bins(Tensor self, Tensor[] bins, float[]? range=None, Tensor? weight=None, bool density=False) -> (Tensor hist, Tensor[] bin_edges)", { run: histogramdd }),
  op("aten::_histogramdd_bin_edges(Tensor self, int[] bins, *, float[]? range=None, Tensor? weight=None, bool density=False) -> Tensor[]", { run: (ctx, self, bins, range, weight, dense) => histogramdd(ctx, self, bins, range, weight, dense)[1] }),
  op("aten::_histogramdd_from_bin_cts(Tensor self, int[] bins, *, float[]? range=None, Tensor? weight=None, bool density=False) -> Tensor", { run: (ctx, self, bins, range, weight, dense) => histogramdd(ctx, self, bins, range, weight, dense)[0] }),
  op("aten::_histogramdd_from_bin_tensors(Tensor self, Tensor[] bins, *, Tensor? weight=None, bool density=False) -> Tensor", { run: (ctx, self, bins, weight, dense) => histogramdd(ctx, self, bins, null, weight, dense)[0] }),
];
