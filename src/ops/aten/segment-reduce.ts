/** Reductions over runs of an axis, given by their lengths or offsets (PyTorch: segment_reduce). */

import { binary, cast, constant, type Expr, fold, index, load, scalar, select, unary } from "../../expr/expr.ts";
import { compute } from "../../prims/calls.ts";
import type { Context } from "../../prims/context.ts";
import { computeType, type Program } from "../../prims/program.ts";
import { type DType, isFloat, opmathOf } from "../../tensor/dtype.ts";
import { OpwiseError, unreachable } from "../../tensor/error.ts";
import { Tensor } from "../../tensor/tensor.ts";
import { op, type Op } from "../define.ts";
import { addOf, axes, loadIndex, memo, subOf } from "./memo.ts";

const KINDS = ["sum", "mean", "max", "min", "prod"] as const;
type Kind = (typeof KINDS)[number];

const programs = memo<Program>();
const one = constant(1, "index");

/** What a segment starts from where the caller gives nothing. */
const START: Readonly<Record<Kind, number>> = { sum: 0, mean: 0, max: -Infinity, min: Infinity, prod: 1 };

/** Operands: data, offsets `[..., segments + 1]`. Scalars: the start, and whether it was given. */
function segmentProgram(kind: Kind, dtype: DType, rank: number, axis: number): Program {
  return programs(`${kind},${dtype},${rank},${axis}`, () => {
    const [own, type] = [computeType(dtype), computeType(opmathOf(dtype))];
    const lead = axes(axis);
    const from = loadIndex(1, "int64", [...lead, index(axis)]);
    const length = subOf(loadIndex(1, "int64", [...lead, addOf(index(axis), one)]), from);
    const [start, given] = [scalar(0, type), scalar(1, "bool")];
    const nan = (x: Expr): Expr => unary("isnan", x);
    const [folded = start] = fold(0, length, [start], ([state = start], trip) => {
      const v = cast(load(0, own, [...lead, addOf(from, trip), ...axes(rank, axis + 1)]), type);
      if (kind === "prod") return [binary("mul", state, v)];
      if (kind === "sum" || kind === "mean") return [binary("add", state, v)];
      // NaN wins.
      return [select(nan(state), state, select(nan(v), v, binary(kind, state, v)))];
    });
    const none = binary("eq", length, constant(0, "index"));
    const mean = select(none, select(given, folded, constant(NaN, type)), binary("div", folded, cast(length, type)));
    return { name: `segment_${kind}`, operands: [dtype, "int64"], scalars: [type, "bool"], outputs: [{ dtype, parts: [cast(kind === "mean" ? mean : folded, own)] }], messages: [] };
  });
}

/** Offsets of runs from their lengths, along the last axis. @throws bad-argument where they do not fill the axis */
function offsetsOf(lengths: Tensor, size: number, unsafe: boolean): Tensor {
  const segments = lengths.shape[lengths.rank - 1] ?? 0;
  const given = Array.from(lengths.data, Number);
  const rows = segments === 0 ? 0 : given.length / segments;
  const out = new BigInt64Array(rows * (segments + 1));
  for (let row = 0; row < rows; row++) {
    let sum = 0;
    for (let s = 0; s < segments; s++) {
      const length = given[row * segments + s] ?? 0;
      if (!unsafe && length < 0) throw new OpwiseError("bad-argument", "lengths contains negative value!");
      sum += length;
      out[row * (segments + 1) + s + 1] = BigInt(sum);
    }
    if (!unsafe && sum !== size) throw new OpwiseError("bad-argument", "segment_reduce(): Expected all rows of lengths along axis to sum to data.size(lengths.dim()-1) when !unsafe.", { got: String(sum), wanted: String(size) });
  }
  return Tensor.from(out, [...lengths.shape.slice(0, -1), segments + 1], "int64");
}

function reduced(ctx: Context, data: Tensor, kind: Kind, offsets: Tensor, axis: number, initial: number | null): Tensor {
  const shape = [...data.shape.slice(0, axis), (offsets.shape[axis] ?? 1) - 1, ...data.shape.slice(axis + 1)];
  return compute(ctx, segmentProgram(kind, data.dtype, data.rank, axis), shape, [data, offsets], [initial ?? START[kind], initial !== null])[0] ?? unreachable("segments");
}

function kindOf(name: string): Kind {
  const kind = KINDS.find((k) => k === name);
  if (kind === undefined) throw new OpwiseError("bad-argument", `unsupported reduction given! '${name}'`, { wanted: KINDS.join(", ") });
  return kind;
}

export const segmentReduce: readonly Op[] = [
  op("aten::segment_reduce(Tensor data, str reduce, *, Tensor? lengths=None, Tensor? indices=None, Tensor? offsets=None, int axis=0, bool unsafe=False, Scalar? initial=None) -> Tensor", {
    reads: function* (ctx, data, reduce, lengths, indices, offsets, dim, unsafe, initial) {
      const kind = kindOf(reduce);
      const axis = dim < 0 ? dim + data.rank : dim;
      if (data.numel < 0 || !isFloat(data.dtype)) throw new OpwiseError("unsupported-dtype", `"_segment_reduce_cpu" not implemented for '${data.dtype}'`);
      if (indices !== null) throw new OpwiseError("bad-argument", "segment_reduce(): indices based reduction is not supported yet.");
      const runs = lengths ?? offsets;
      if (runs === null) throw new OpwiseError("bad-argument", "segment_reduce(): Either lengths or offsets must be defined.");
      if (axis !== runs.rank - 1) throw new OpwiseError("bad-argument", `segment_reduce(): Expected axis to be the last dimension of ${lengths === null ? "offsets" : "lengths"} but got ${axis}.`);
      const start = initial === null ? null : initial.kind === "complex" ? initial.re : Number(initial.value);
      if (offsets !== null && lengths === null) {
        const wide = offsets.dtype === "int64" ? offsets : undefined;
        if (wide !== undefined) return reduced(ctx, data, kind, wide, axis, start);
        yield offsets;
        return reduced(ctx, data, kind, Tensor.from(BigInt64Array.from(offsets.data, BigInt), [...offsets.shape], "int64"), axis, start);
      }
      yield runs;
      return reduced(ctx, data, kind, offsetsOf(runs, data.shape[axis] ?? 0, unsafe), axis, start);
    },
  }),
];
