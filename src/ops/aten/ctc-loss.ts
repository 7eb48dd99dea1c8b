/** Connectionist temporal classification: the forward recursion over time, one call per frame. */

import { binary, cast, constant, type Expr, index, load, scalar, select, unary } from "../../expr/expr.ts";
import { cast_, compute, empty } from "../../prims/calls.ts";
import type { Context } from "../../prims/context.ts";
import { computeType, type Program } from "../../prims/program.ts";
import { reshaped, selected, unsqueezed } from "../../prims/views.ts";
import { type DType, isFloat, scalarName } from "../../tensor/dtype.ts";
import { OpwiseError, unreachable } from "../../tensor/error.ts";
import { Tensor, viewOf } from "../../tensor/tensor.ts";
import { op, type Op } from "../define.ts";
import { apply, elementwise } from "../elementwise.ts";
import { numbersOf } from "./element.ts";
import { loadIndex, memo } from "./memo.ts";
import { mean, sum } from "./reduction.ts";

const programs = memo<Program>();
const whole = (value: number): Expr => constant(value, "index");
const LOWEST = constant(-Infinity, "f64");

/** log(exp(a) + exp(b) + exp(c)). */
function logSum(parts: readonly Expr[]): Expr {
  const top = parts.reduce((a, b) => binary("max", a, b));
  const shift = select(binary("eq", top, LOWEST), constant(0, "f64"), top);
  return binary("add", unary("log", parts.map((p) => unary("exp", binary("sub", p, shift))).reduce((a, b) => binary("add", a, b))), shift);
}

/** Operands: log-probabilities [T, N, C], targets (flat), offsets [N], target lengths [N], input lengths [N], the frame before [N, L]. */
function frameProgram(dtype: DType, labels: DType, first: boolean): Program {
  return programs(`ctc ${dtype} ${labels} ${first}`, () => {
    const type = computeType(dtype);
    const [n, l] = [index(0), index(1)];
    const [t, blank] = [scalar(0, "index"), scalar(1, "index")];
    const length = loadIndex(3, "int64", [n]);
    const odd = binary("eq", binary("rem", l, whole(2)), whole(1));
    const valid = binary("lt", l, binary("add", binary("mul", length, whole(2)), whole(1)));
    const label = (at: Expr, isLabel: Expr): Expr => {
      const inside = binary("and", isLabel, binary("lt", at, binary("add", binary("mul", length, whole(2)), whole(1))));
      const place = binary("add", loadIndex(2, "int64", [n]), binary("quot", binary("max", binary("sub", at, whole(1)), whole(0)), whole(2)));
      return select(inside, cast(load(1, computeType(labels), [select(inside, place, whole(0))], 0, inside, computeType(labels) === "i64" ? constant(0n, "i64") : constant(0, computeType(labels))), "index"), blank);
    };
    const own = label(l, odd);
    const chance = cast(load(0, type, [t, n, own]), "f64");
    let value: Expr;
    if (first) value = select(binary("lt", l, whole(2)), chance, LOWEST);
    else {
      const before = (back: number): Expr => cast(load(5, "f64", [n, binary("sub", l, whole(back))], 0, binary("ge", l, whole(back)), LOWEST), "f64");
      const skips = binary("and", binary("and", odd, binary("ge", l, whole(2))), binary("ne", own, label(binary("max", binary("sub", l, whole(2)), whole(0)), odd)));
      const next = binary("add", logSum([before(0), before(1), select(skips, before(2), LOWEST)]), chance);
      value = select(binary("lt", t, loadIndex(4, "int64", [n])), next, before(0));
    }
    return {
      name: "ctc_loss", operands: [dtype, labels, "int64", "int64", "int64", ...(first ? [] : ["float64" as const])], scalars: ["index", "index"], messages: [],
      outputs: [{ dtype: "float64", parts: [select(valid, value, LOWEST)] }],
    };
  });
}

/** What the paths that end in the last label or the blank after it have together. */
function lossProgram(dtype: DType): Program {
  return programs(`ctc end ${dtype}`, () => {
    const end = binary("mul", loadIndex(1, "int64", [index(0)]), whole(2));
    const at = (e: Expr, inside: Expr): Expr => load(0, "f64", [index(0), e], 0, inside, LOWEST);
    const both = logSum([at(end, constant(true, "bool")), at(binary("sub", end, whole(1)), binary("gt", end, whole(0)))]);
    const nothing = binary("le", loadIndex(2, "int64", [index(0)]), whole(0));
    const empty = select(binary("eq", end, whole(0)), constant(0, "f64"), LOWEST);
    return { name: "ctc_loss", operands: ["float64", "int64", "int64"], scalars: [], messages: [], outputs: [{ dtype, parts: [cast(unary("neg", select(nothing, empty, both)), computeType(dtype))] }] };
  });
}

const longs = (values: readonly number[]): Tensor => Tensor.from(values.map(BigInt), [values.length], "int64");

/** The negative log-likelihoods `[N]` and the logarithms of the forward variables `[N, T, 2S + 1]`. */
function forward(ctx: Context, given: Tensor, targets: Tensor, inputLengths: readonly number[], targetLengths: readonly number[], blank: number): [Tensor, Tensor] {
  if (!isFloat(given.dtype)) throw new OpwiseError("unsupported-dtype", `"ctc_loss" not implemented for '${scalarName(given.dtype)}'`);
  const logs = given.rank === 2 ? unsqueezed(given, 1) : given;
  const [frames = 0, batch = 0, classes = 0] = logs.shape;
  if (blank < 0 || blank >= classes) throw new OpwiseError("bad-argument", "blank must be in label range", { got: String(blank) });
  if (inputLengths.length !== batch || targetLengths.length !== batch) throw new OpwiseError("shape-mismatch", "input_lengths and target_lengths must be of size batch_size", { wanted: String(batch) });
  for (const length of inputLengths) if (length < 0 || length > frames) throw new OpwiseError("bad-argument", `Expected input_lengths to have value at most ${frames}, but got value ${length}`);
  const padded = targets.rank === 2;
  let used = 0;
  const offsets = targetLengths.map((length, i) => {
    const at = padded ? i * (targets.shape[1] ?? 0) : used;
    used += length;
    return at;
  });
  const flat = reshaped(ctx, targets, [targets.numel]);
  const states = 2 * Math.max(0, ...targetLengths) + 1;
  const lengths = [longs(offsets), longs(targetLengths), longs(inputLengths)];
  const alpha = empty(ctx, [batch, Math.max(frames, 1), states], "float64");
  let last = selected(alpha, 1, 0);
  for (let t = 0; t < frames; t++) {
    const next = selected(alpha, 1, t);
    compute(ctx, frameProgram(logs.dtype, targets.dtype, t === 0), [batch, states], [logs, flat, ...lengths, ...(t === 0 ? [] : [last])], [t, blank], [next]);
    last = next;
  }
  const [losses = unreachable("losses")] = compute(ctx, lossProgram(given.dtype), [batch], [last, longs(targetLengths), longs(inputLengths)]);
  return [given.rank === 2 ? viewOf(losses, [], [], 0) : losses, cast_(ctx, alpha, given.dtype)];
}

const finite = elementwise("ctc_zero_infinity", (x) => x.eq(Infinity).where(x.lit(0), x));
const perLabel = elementwise("ctc_mean", (x, n) => x.div(n.max(1)));

function loss(ctx: Context, logs: Tensor, targets: Tensor, inputLengths: readonly number[], targetLengths: readonly number[], blank: number, reduction: number, zeroInfinity: boolean): Tensor {
  const [plain] = forward(ctx, logs, targets, inputLengths, targetLengths, blank);
  const losses = zeroInfinity ? apply(ctx, finite, [plain]) : plain;
  if (reduction === 0) return losses;
  if (reduction === 2) return sum(ctx, losses, null, false, losses.dtype);
  const lengths = longs(targetLengths);
  return mean(ctx, apply(ctx, perLabel, [losses, losses.rank === 0 ? viewOf(lengths, [], [], 0) : lengths]), null);
}

export const ctcLosses: readonly Op[] = [
  op("aten::ctc_loss.IntList(Tensor log_probs, Tensor targets, int[] input_lengths, int[] target_lengths, int blank=0, int reduction=1, bool zero_infinity=False) -> Tensor", { run: loss }),
  op("aten::ctc_loss.Tensor(Tensor log_probs, Tensor targets, Tensor input_lengths, Tensor target_lengths, int blank=0, int reduction=1, bool zero_infinity=False) -> Tensor", {
    reads: function* (ctx, logs, targets, inputLengths, targetLengths, blank, reduction, zeroInfinity) {
      yield inputLengths;
      yield targetLengths;
      return loss(ctx, logs, targets, numbersOf(inputLengths), numbersOf(targetLengths), blank, reduction, zeroInfinity);
    },
  }),
  op("aten::_ctc_loss(Tensor log_probs, Tensor targets, int[] input_lengths, int[] target_lengths, int blank=0, bool zero_infinity=False) -> (Tensor, Tensor)", { run: forward }),
  op("aten::_ctc_loss.Tensor(Tensor log_probs, Tensor targets, Tensor input_lengths, Tensor target_lengths, int blank=0, bool zero_infinity=False) -> (Tensor, Tensor)", {
    reads: function* (ctx, logs, targets, inputLengths, targetLengths, blank) {
      yield inputLengths;
      yield targetLengths;
      return forward(ctx, logs, targets, numbersOf(inputLengths), numbersOf(targetLengths), blank);
    },
  }),
];
