/** Quantised operands of ops that were written for numbers: what a declaration's `quantised` field comes to, resolved when an op is bound. */

import type { Datum } from "../ir/datum.ts";
import { fullName, type Schema } from "../ir/schema.ts";
import { schemaOf } from "../ir/schema-table.ts";
import type { Type } from "../ir/type.ts";
import { copyInto } from "../prims/calls.ts";
import type { Context } from "../prims/context.ts";
import { isFloat, isQuantized } from "../tensor/dtype.ts";
import { OpwiseError, unreachable } from "../tensor/error.ts";
import { sameShape } from "../tensor/shape.ts";
import { Tensor } from "../tensor/tensor.ts";
import type { Op, QuantisedRule } from "./define.ts";
import { affineOf, centred, dequantised, perTensor, quantised, quantizerOf, withoutKernel } from "./quantized/codes.ts";
import type { BoundOp, Derived, OpSteps } from "./registry.ts";

/** Whether an argument of the type may be, or hold, a tensor. */
function holdsTensors(type: Type): boolean {
  if (type.kind === "Tensor") return true;
  return (type.kind === "Optional" || type.kind === "List") && holdsTensors(type.elem);
}

function isQuantised(value: Datum | undefined): boolean {
  if (value instanceof Tensor) return value.quantizer !== undefined;
  if (typeof value === "object" && value !== null && "kind" in value && value.kind === "list") return value.items.some(isQuantised);
  return false;
}

/** The first quantised tensor among arguments. */
function firstQuantised(values: readonly Datum[]): Tensor | undefined {
  for (const value of values) {
    if (value instanceof Tensor) {
      if (value.quantizer !== undefined) return value;
    } else if (typeof value === "object" && value !== null && "kind" in value && value.kind === "list") {
      const found = firstQuantised(value.items);
      if (found !== undefined) return found;
    }
  }
  return undefined;
}

/** Every tensor of a datum replaced; lists are made anew. */
function replaced(value: Datum, change: (t: Tensor) => Tensor): Datum {
  if (value instanceof Tensor) return change(value);
  if (typeof value === "object" && value !== null && "kind" in value && value.kind === "list")
    return { ...value, items: value.items.map((item) => replaced(item, change)) };
  return value;
}

/** The kernel that PyTorch says is missing: the `out` form where the op has one. */
function kernelOf(schema: Schema): string {
  const [plain, own] = [schema.name.endsWith("_") && !schema.name.endsWith("__") ? schema.name.slice(0, -1) : schema.name, fullName(schema)];
  const candidates =
    schema.overload === "" || schema.overload === "Tensor" ? [`${plain}.out`, `${plain}.Tensor_out`] : [`${plain}.${schema.overload}_out`, `${plain}.out`];
  return candidates.find((name) => schemaOf(name) !== undefined) ?? own;
}

/** Results on codes, which take over the quantiser where the op set none itself. */
function adopted(values: readonly Datum[], source: Tensor): readonly Datum[] {
  const quantizer = quantizerOf(source);
  for (const value of values) {
    if (value instanceof Tensor) {
      if (!isQuantized(value.dtype) || value.quantizer !== undefined) continue;
      if (quantizer.scheme !== "per_tensor_affine" && !sameShape(value.shape, source.shape))
        throw new OpwiseError("bad-argument", "Setting strides is possible only on uniformly quantized tensor", { got: quantizer.scheme });
      value.quantizer = quantizer;
    } else if (typeof value === "object" && value !== null && "kind" in value && (value.kind === "list" || value.kind === "tuple"))
      adopted(value.items, source);
  }
  return values;
}

type Rule = Exclude<QuantisedRule, "own" | "codes" | "copies">;

/** Numbers in, and results back to codes as the rule says. */
function onNumbers(rule: Rule, plain: BoundOp, schema: Schema, form: Derived["form"]): BoundOp {
  const outs = schema.args.map((a, i) => (form !== "plain" && a.alias?.write === true ? i : -1)).filter((i) => i >= 0);
  const enter = (ctx: Context, t: Tensor): Tensor => {
    if (t.quantizer === undefined) return t;
    return rule === "centred" ? centred(ctx, t, "float32") : dequantised(ctx, t);
  };
  const prepared = (ctx: Context, args: readonly Datum[]): readonly Datum[] =>
    args.filter((_, i) => form !== "out" || !outs.includes(i)).map((value) => replaced(value, (t) => enter(ctx, t)));
  const finished = (ctx: Context, args: readonly Datum[], values: readonly Datum[]): readonly Datum[] => {
    if (rule === "numbers" && form === "plain") return values;
    const like = firstQuantised(args) ?? unreachable("a quantised operand");
    const { scale, zeroPoint } = affineOf(like);
    // Centred codes stand for themselves: one step is one unit.
    const target = perTensor(rule === "centred" ? 1 : scale, zeroPoint);
    const back = (t: Tensor): Tensor => {
      if (rule === "numbers" || !isFloat(t.dtype)) return t;
      const codes = quantised(ctx, t, like.dtype, target);
      codes.quantizer = perTensor(scale, zeroPoint);
      return codes;
    };
    const results = values.map((value) => replaced(value, back));
    if (form === "plain") return results;
    return outs.map((at, k) => {
      const [into, from] = [args[at], results[k]];
      if (!(into instanceof Tensor) || !(from instanceof Tensor)) return into ?? null;
      copyInto(ctx, into, from);
      if (from.quantizer !== undefined) into.quantizer = from.quantizer;
      return into;
    });
  };
  if (plain.reads) {
    return {
      reads: true,
      run: function* run(ctx, args): OpSteps {
        return finished(ctx, args, yield* plain.run(ctx, prepared(ctx, args)));
      },
    };
  }
  return { reads: false, run: (ctx, args) => finished(ctx, args, plain.run(ctx, prepared(ctx, args))) };
}

/** What runs where an operand is quantised. */
function alternative(
  bound: BoundOp,
  schema: Schema,
  { op, form }: Derived,
  bindFound: (schema: Schema, found: Derived) => BoundOp,
  plainSchema: (op: Op) => Schema,
): BoundOp {
  const rule = form === "plain" || op.quantisedWrites ? op.quantised : undefined;
  if (rule === undefined || rule === "own") {
    const refuse = (): never => {
      throw withoutKernel(kernelOf(schema));
    };
    return bound.reads ? { reads: true, run: refuse } : { reads: false, run: refuse };
  }
  if (rule === "codes" || rule === "copies") {
    const sourceOf = (args: readonly Datum[]): Tensor => {
      const source = firstQuantised(args) ?? unreachable("a quantised operand");
      if (rule === "codes") affineOf(source);
      return source;
    };
    if (!bound.reads) {
      return {
        reads: false,
        run: (ctx, args) => {
          const source = sourceOf(args);
          return adopted(bound.run(ctx, args), source);
        },
      };
    }
    return {
      reads: true,
      run: function* run(ctx, args): OpSteps {
        const source = sourceOf(args);
        return adopted(yield* bound.run(ctx, args), source);
      },
    };
  }
  if (typeof rule === "function")
    return bindFound(schema, { op: { ...op, body: bound.reads ? { kind: "reads", run: rule } : { kind: "run", run: rule } }, form });
  return onNumbers(rule, bindFound(form === "plain" ? schema : plainSchema(op), { op, form: "plain" }), schema, form);
}

/** `bound`, looking for quantised operands first where it knows none itself. */
export function guarded(
  bound: BoundOp,
  schema: Schema,
  found: Derived,
  bindFound: (schema: Schema, found: Derived) => BoundOp,
  plainSchema: (op: Op) => Schema,
): BoundOp {
  const { op } = found;
  if (op.body.kind === "raw" || op.quantised === "own") return bound;
  const at = schema.args.map((a, i) => (holdsTensors(a.type) ? i : -1)).filter((i) => i >= 0);
  if (at.length === 0) return bound;
  let other: BoundOp | undefined;
  const quantisedForm = (): BoundOp => (other ??= alternative(bound, schema, found, bindFound, plainSchema));
  const has = (args: readonly Datum[]): boolean => {
    for (const i of at) if (isQuantised(args[i])) return true;
    return false;
  };
  if (!bound.reads) {
    return {
      reads: false,
      run: (ctx, args) => {
        if (!has(args)) return bound.run(ctx, args);
        const form = quantisedForm();
        return form.reads ? unreachable("a form that waits") : form.run(ctx, args);
      },
    };
  }
  return {
    reads: true,
    run: (ctx, args) => {
      if (!has(args)) return bound.run(ctx, args);
      const form = quantisedForm();
      return form.reads ? form.run(ctx, args) : unreachable("a form that does not wait");
    },
  };
}
