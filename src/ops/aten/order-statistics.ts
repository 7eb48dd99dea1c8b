/** Statistics of order: median, mode, kthvalue, quantiles. All sort once and look up. */

import { binary, cast, constant, type Expr, fold, index, load, scalar, select, unary } from "../../expr/expr.ts";
import { compute, copyOf, empty } from "../../prims/calls.ts";
import type { SortMethod } from "../../prims/call.ts";
import type { Context } from "../../prims/context.ts";
import { computeType, type Program } from "../../prims/program.ts";
import { axisMoved, reshaped, selected, unsqueezed } from "../../prims/views.ts";
import { isFloat } from "../../tensor/dtype.ts";
import { OpwiseError, unreachable } from "../../tensor/error.ts";
import { wrapDim } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { op, type Op } from "../define.ts";
import { filled } from "./filling.ts";
import { memo } from "./memo.ts";
import { needsElements } from "./reduction-axes.ts";
import { kthOf, sort } from "./sorting.ts";

const programs = memo<Program>();
const whole = (value: number): Expr => constant(value, "index");
const f64 = (value: number): Expr => constant(value, "f64");

interface Line {
  readonly rank: number;
  readonly dtype: Tensor["dtype"];
}

/** Sorted values and positions with the axis put last. */
function ordered(ctx: Context, self: Tensor, axis: number, method?: SortMethod): { readonly values: Tensor; readonly positions: Tensor; readonly outer: readonly number[]; readonly length: number } {
  const moved = self.rank === 0 ? reshaped(ctx, self, [1]) : axisMoved(self, axis, self.rank - 1);
  const [values, positions] = sort(ctx, moved, -1, false, method);
  return { values, positions, outer: moved.shape.slice(0, -1), length: moved.shape[moved.rank - 1] ?? 0 };
}

/** How many of a line are NaN; they stand at its end. */
function nanCount({ dtype }: Line, at: readonly Expr[], length: Expr): Expr {
  if (!isFloat(dtype)) return whole(0);
  const type = computeType(dtype);
  return fold(0, length, [whole(0)], ([n = whole(0)]) => [binary("add", n, whole(1))], (_n, k) => unary("not", unary("isnan", load(0, type, [...at, binary("sub", binary("sub", length, whole(1)), k)]))))[0] ?? whole(0);
}

/** Looks up one sorted element per line: `place` of the line's length and its number of NaN. */
function lookup(ctx: Context, name: string, self: Tensor, dim: number, keepdim: boolean, place: (length: Expr, nans: Expr) => Expr): [Tensor, Tensor] {
  const axis = wrapDim(dim, self.rank);
  if (self.rank > 0) needsElements(name, self, [axis], false);
  const { values, positions, outer, length } = ordered(ctx, self, axis);
  const rank = outer.length;
  const program = programs(`${name} ${self.dtype} ${rank}`, () => {
    const at = outer.map((_, i) => index(i));
    const n = scalar(0, "index");
    const where = [...at, place(n, nanCount({ dtype: self.dtype, rank }, at, n))];
    return {
      name, operands: [self.dtype, "int64"], scalars: ["index"], messages: [],
      outputs: [{ dtype: self.dtype, parts: [load(0, computeType(self.dtype), where)] }, { dtype: "int64", parts: [load(1, "i64", where)] }],
    };
  });
  const results = compute(ctx, program, outer, [values, positions], [length]);
  return kept(results, self, axis, keepdim);
}

function kept(results: readonly Tensor[], self: Tensor, axis: number, keepdim: boolean): [Tensor, Tensor] {
  const [values = unreachable("values"), indices = unreachable("indices")] = results;
  return keepdim && self.rank > 0 ? [unsqueezed(values, axis), unsqueezed(indices, axis)] : [values, indices];
}

const half = (n: Expr): Expr => binary("quot", binary("sub", n, whole(1)), whole(2));
/** The lower middle; the first NaN where there is one. */
const middle = (n: Expr, nans: Expr): Expr => select(binary("gt", nans, whole(0)), binary("sub", n, nans), half(n));
/** The lower middle of what is not NaN. */
const middleOfNumbers = (n: Expr, nans: Expr): Expr => select(binary("eq", n, nans), whole(0), half(binary("sub", n, nans)));

function medianOfAll(ctx: Context, self: Tensor, name: string, place: typeof middle): Tensor {
  if (self.numel === 0) return filled(ctx, [], self.dtype, { kind: "float", value: NaN });
  return lookup(ctx, name, reshaped(ctx, self, [self.numel]), 0, false, place)[0];
}

function kthvalue(ctx: Context, self: Tensor, k: number, dim: number, keepdim: boolean): [Tensor, Tensor] {
  const axis = wrapDim(dim, self.rank);
  const length = self.rank === 0 ? 1 : (self.shape[axis] ?? 0);
  if (k < 1 || k > length) throw new OpwiseError("index-out-of-range", "kthvalue(): selected number k out of range for dimension " + axis, { got: `${k} of ${length}` });
  if (self.rank === 0) return [copyOf(ctx, self), filled(ctx, [], "int64", { kind: "int", value: 0 })];
  const results = kthOf(ctx, self, axis, k - 1);
  return keepdim ? results : [selected(results[0], axis, 0), selected(results[1], axis, 0)];
}

/** The most frequent element of a line, the smallest of equals; the position of its last one in PyTorch's (unstable) sort. */
function mode(ctx: Context, self: Tensor, dim: number, keepdim: boolean): [Tensor, Tensor] {
  const axis = wrapDim(dim, self.rank);
  if (self.rank > 0) needsElements("mode", self, [axis], false);
  const { values, positions, outer, length } = ordered(ctx, self, axis, { kind: "intro" });
  const program = programs(`mode ${self.dtype} ${outer.length}`, () => {
    const type = computeType(self.dtype);
    const at = outer.map((_, i) => index(i));
    const value = (k: Expr): Expr => load(0, type, [...at, k]);
    // state: length of the run that ends here, length and end of the best one
    const [, , best = whole(0)] = fold(0, scalar(0, "index"), [whole(0), whole(0), whole(0)], ([run = whole(0), most = whole(0), end = whole(0)], k) => {
      const before = select(binary("eq", k, whole(0)), whole(0), binary("sub", k, whole(1)));
      const same = binary("and", binary("gt", k, whole(0)), binary("eq", value(k), value(before)));
      const now = select(same, binary("add", run, whole(1)), whole(1));
      const better = binary("gt", now, most);
      return [now, select(better, now, most), select(better, k, end)];
    });
    return { name: "mode", operands: [self.dtype, "int64"], scalars: ["index"], messages: [], outputs: [{ dtype: self.dtype, parts: [value(best)] }, { dtype: "int64", parts: [load(1, "i64", [...at, best])] }] };
  });
  return kept(compute(ctx, program, outer, [values, positions], [length]), self, axis, keepdim);
}

const INTERPOLATIONS = ["linear", "lower", "higher", "midpoint", "nearest"];

/** Quantiles `[Q, ...]` (or `[...]` for one number) along an axis, or of all elements. */
function quantile(ctx: Context, self: Tensor, q: Tensor | number, dim: number | null, keepdim: boolean, interpolation: string, ignoreNaN: boolean): Tensor {
  if (self.dtype !== "float32" && self.dtype !== "float64") throw new OpwiseError("dtype-mismatch", "quantile() input tensor must be either float or double dtype", { got: self.dtype });
  if (self.numel === 0) throw new OpwiseError("bad-argument", "quantile() input tensor must be non-empty");
  if (typeof q === "number" && !(q >= 0 && q <= 1)) throw new OpwiseError("bad-argument", `quantile() q must be in the range [0, 1] but got ${q}`);
  if (!INTERPOLATIONS.includes(interpolation)) throw new OpwiseError("bad-argument", `quantile() interpolation must be one of linear, lower, higher, midpoint or nearest, but got ${interpolation}`);
  const points = typeof q === "number" ? filled(ctx, [], self.dtype, { kind: "float", value: q }) : q;
  if (points.rank > 1) throw new OpwiseError("shape-mismatch", "quantile() q must be a scalar or 1D tensor");
  if (points.dtype !== self.dtype) throw new OpwiseError("dtype-mismatch", "quantile() q tensor must be same dtype as the input tensor");
  const source = dim === null ? reshaped(ctx, self, [self.numel]) : self;
  const axis = dim === null ? 0 : wrapDim(dim, self.rank);
  const { values, outer, length } = ordered(ctx, source, axis);
  const many = points.rank === 1;
  const program = programs(`quantile ${self.dtype} ${outer.length} ${many} ${interpolation} ${ignoreNaN}`, () => {
    const type = computeType(self.dtype);
    const at = outer.map((_, i) => index(i));
    const n = scalar(0, "index");
    const nans = nanCount({ dtype: self.dtype, rank: outer.length }, at, n);
    const fraction = cast(load(1, type, many ? [index(outer.length)] : []), "f64");
    const count = ignoreNaN ? binary("sub", n, nans) : n;
    const asked = cast(cast(binary("mul", fraction, binary("max", cast(binary("sub", count, whole(1)), "f64"), f64(0))), type), "f64");
    // a NaN anywhere in the line is the result: the last place holds it
    const rank = ignoreNaN ? asked : select(binary("gt", nans, whole(0)), cast(binary("sub", n, whole(1)), "f64"), asked);
    const placed = interpolation === "lower" ? unary("floor", rank) : interpolation === "higher" ? unary("ceil", rank) : interpolation === "nearest" ? unary("rint", rank) : rank;
    const value = (place: Expr): Expr => cast(load(0, type, [...at, cast(place, "index")]), "f64");
    const [low, high] = [value(unary("floor", placed)), value(unary("ceil", placed))];
    const weight = interpolation === "midpoint" ? f64(0.5) : binary("sub", placed, unary("floor", placed));
    const gap = binary("sub", high, low);
    const mixed = select(binary("lt", weight, f64(0.5)), binary("add", low, binary("mul", weight, gap)), binary("sub", high, binary("mul", gap, binary("sub", f64(1), weight))));
    const exact = binary("eq", unary("floor", placed), unary("ceil", placed));
    return { name: "quantile", operands: [self.dtype, self.dtype], scalars: ["index"], messages: [], outputs: [{ dtype: self.dtype, parts: [cast(select(exact, low, mixed), type)] }] };
  });
  const shape = many ? [...outer, points.shape[0] ?? 0] : outer;
  const out = compute(ctx, program, shape, [values, points], [length])[0] ?? empty(ctx, shape, self.dtype);
  // the quantiles lie last in memory and are shown first
  const first = many ? axisMoved(out, outer.length, 0) : out;
  if (!keepdim || self.rank === 0) return first;
  if (dim === null) return self.shape.reduce((t) => unsqueezed(t, -1), first);
  return unsqueezed(first, axis + (many ? 1 : 0));
}

export const orderStatistics: readonly Op[] = [
  op("aten::median(Tensor self) -> Tensor", { run: (ctx, self) => medianOfAll(ctx, self, "median", middle) }),
  op("aten::median.dim(Tensor self, int dim, bool keepdim=False) -> (Tensor values, Tensor indices)", { run: (ctx, self, dim, keepdim) => lookup(ctx, "median", self, dim, keepdim, middle) }),
  op("aten::nanmedian(Tensor self) -> Tensor", { run: (ctx, self) => medianOfAll(ctx, self, "nanmedian", middleOfNumbers) }),
  op("aten::nanmedian.dim(Tensor self, int dim, bool keepdim=False) -> (Tensor values, Tensor indices)", { run: (ctx, self, dim, keepdim) => lookup(ctx, "nanmedian", self, dim, keepdim, middleOfNumbers) }),
  op("aten::kthvalue(Tensor self, SymInt k, int dim=-1, bool keepdim=False) -> (Tensor values, Tensor indices)", { run: kthvalue, out: "own" }),
  op("aten::mode(Tensor self, int dim=-1, bool keepdim=False) -> (Tensor values, Tensor indices)", { run: mode }),
  ...(["quantile", "nanquantile"] as const).flatMap((name) => [
    op(`aten::${name}(Tensor self, Tensor q, int? dim=None, bool keepdim=False, *, str interpolation="linear") -> Tensor`, {
      run: (ctx: Context, self: Tensor, q: Tensor, dim: number | null, keepdim: boolean, interpolation: string) => quantile(ctx, self, q, dim, keepdim, interpolation, name === "nanquantile"),
    }),
    op(`aten::${name}.scalar(Tensor self, float q, int? dim=None, bool keepdim=False, *, str interpolation="linear") -> Tensor`, {
      run: (ctx: Context, self: Tensor, q: number, dim: number | null, keepdim: boolean, interpolation: string) => quantile(ctx, self, q, dim, keepdim, interpolation, name === "nanquantile"),
    }),
  ]),
];
