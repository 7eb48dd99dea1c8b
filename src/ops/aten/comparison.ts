/** Comparisons, logic and choice: eq, lt, logical_and, where, clamp ... (results of comparisons are bool). */

import type { Num } from "../../expr/num.ts";
import type { Scalar } from "../../ir/datum.ts";
import type { Context } from "../../prims/context.ts";
import { dtypeInfo, scalarName } from "../../tensor/dtype.ts";
import { OpwiseError } from "../../tensor/error.ts";
import { Tensor } from "../../tensor/tensor.ts";
import { op, type Op, pointwise } from "../define.ts";
import { checkFits } from "../element-range.ts";
import { apply, elementwise } from "../elementwise.ts";
import { resultType } from "../promotion.ts";
import { clampedCodes } from "../quantized/activation.ts";

type Binary = (x: Num, y: Num) => Num;

const COMPARISONS: Readonly<Record<string, Binary>> = {
  "eq": (x, y) => x.eq(y), "ne not_equal": (x, y) => x.ne(y), "lt less": (x, y) => x.lt(y),
  "le less_equal": (x, y) => x.le(y), "gt greater": (x, y) => x.gt(y), "ge greater_equal": (x, y) => x.ge(y),
};
const LOGIC: Readonly<Record<string, Binary>> = {
  logical_and: (x, y) => x.toBool().and(y.toBool()), logical_or: (x, y) => x.toBool().or(y.toBool()), logical_xor: (x, y) => x.toBool().xor(y.toBool()),
};

const choose = elementwise("where", (c, x, y) => c.toBool().where(x, y), { promotion: "masked" });

function where(ctx: Context, condition: Tensor, x: Tensor | Scalar, y: Tensor | Scalar): Tensor {
  if (condition.dtype !== "bool" && condition.dtype !== "uint8") {
    throw new OpwiseError("dtype-mismatch", `where expected condition to be a boolean tensor, but got a tensor with dtype ${scalarName(condition.dtype)}`);
  }
  const common = resultType([x, y], ctx.defaultDtype);
  for (const s of [x, y]) if (!(s instanceof Tensor) && common !== "float16" && common !== "bfloat16") checkFits(s, common); // a lone half is not checked
  return apply(ctx, choose, [condition, x, y]);
}

const between = elementwise("clamp", (x, low, high) => x.max(low).min(high), { fits: true });
const atLeast = elementwise("clamp_min", (x, low) => x.max(low), { fits: true });
const atMost = elementwise("clamp_max", (x, high) => x.min(high), { fits: true });

/** Bounds on both sides, either of them; a NaN in any operand is the result. Where `min > max`, `max` wins. */
export function clamp(ctx: Context, self: Tensor, min: Tensor | Scalar | null, max: Tensor | Scalar | null, out?: Tensor): Tensor {
  if (dtypeInfo(self.dtype).class === "complex") throw new OpwiseError("unsupported-dtype", "clamp is not supported for complex types");
  if (min !== null && max !== null) return apply(ctx, between, [self, min, max], out);
  if (min !== null) return apply(ctx, atLeast, [self, min], out);
  if (max !== null) return apply(ctx, atMost, [self, max], out);
  throw new OpwiseError("bad-argument", "torch.clamp: At least one of 'min' or 'max' must not be None");
}

export const comparison: readonly Op[] = [
  ...Object.entries(COMPARISONS).flatMap(([names, build]) => {
    const run = pointwise(names.split(" ")[0] ?? names, build, { promotion: "compare" });
    return names.split(" ").flatMap((name) => [
      op(`aten::${name}.Tensor(Tensor self, Tensor other) -> Tensor`, { run, quantised: "numbers", quantisedWrites: true }),
      op(`aten::${name}.Scalar(Tensor self, Scalar other) -> Tensor`, { run, quantised: "numbers", quantisedWrites: true }),
    ]);
  }),
  ...Object.entries(LOGIC).map(([name, build]) => op(`aten::${name}(Tensor self, Tensor other) -> Tensor`, { run: pointwise(name, build, { promotion: "own" }) })),
  op("aten::where.self(Tensor condition, Tensor self, Tensor other) -> Tensor", { run: where }),
  op("aten::where.ScalarOther(Tensor condition, Tensor self, Scalar other) -> Tensor", { run: where }),
  op("aten::where.ScalarSelf(Tensor condition, Scalar self, Tensor other) -> Tensor", { run: where }),
  op("aten::where.Scalar(Tensor condition, Scalar self, Scalar other) -> Tensor", { run: where }),
  ...(["clamp", "clip"] as const).flatMap((name) => [
    op(`aten::${name}(Tensor self, Scalar? min=None, Scalar? max=None) -> Tensor`, {
      run: (ctx, self, min, max) => clamp(ctx, self, min, max), quantised: (ctx, self, min, max) => clampedCodes(ctx, self, min, max),
    }),
    op(`aten::${name}.Tensor(Tensor self, Tensor? min=None, Tensor? max=None) -> Tensor`, { run: (ctx, self, min, max) => clamp(ctx, self, min, max) }),
  ]),
  op("aten::clamp_min(Tensor self, Scalar min) -> Tensor", { run: (ctx, self, min) => clamp(ctx, self, min, null) }),
  op("aten::clamp_min.Tensor(Tensor self, Tensor min) -> Tensor", { run: (ctx, self, min) => clamp(ctx, self, min, null) }),
  op("aten::clamp_max(Tensor self, Scalar max) -> Tensor", { run: (ctx, self, max) => clamp(ctx, self, null, max) }),
  op("aten::clamp_max.Tensor(Tensor self, Tensor max) -> Tensor", { run: (ctx, self, max) => clamp(ctx, self, null, max) }),
];
