/** How an op is declared: a schema in its own world's notation, and its meaning on calls. */

import type { Datum } from "../ir/datum.ts";
import type { Context } from "../prims/context.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { ArgumentsOf } from "./arguments.ts";
import { type Elementwise, elementwise, type ElementwiseOptions } from "./elementwise.ts";

/** What a meaning returns: one value, or an array for several results. A list result is an array inside. */
export type Result = Datum | readonly Result[] | undefined;

/** A read: the machine makes the tensor's bytes host-readable before the op goes on. */
export type Reads = Generator<Tensor, Result, void>;

export type Meaning<A extends readonly unknown[]> =
  /** An expression of the Tensor and Scalar arguments, in their order. In-place and out= forms write directly. */
  | { readonly kind: "pointwise"; readonly elementwise: Elementwise }
  | ((ctx: Context, ...args: A) => Result);

export interface Declaration<A extends readonly unknown[]> {
  readonly run?: Meaning<A>;
  /** For ops that need values: yields each tensor that must be readable before it goes on. */
  readonly reads?: (ctx: Context, ...args: A) => Reads;
  /** What the op does where an operand is quantised; absent: refused, as PyTorch refuses what has no QuantizedCPU kernel. */
  readonly quantised?: QuantisedRule | ((ctx: Context, ...args: A) => Result | Reads);
  /** Whether the derived in-place and `out=` forms take quantised operands too. */
  readonly quantisedWrites?: boolean;
  /** Takes nested tensors; other ops refuse them. */
  readonly nested?: boolean;
  /** Ints beyond 2^53 come as bigints, whatever the argument types say; elsewhere they are sizes and are rounded. */
  readonly wideInts?: boolean;
  /** `own`: an `out` has the results' dtype and shares no memory with the operands. Others convert, and may share. */
  readonly out?: "own";
}

/**
 * `codes`: as it is on the codes, which the result takes over with the quantiser (what moves, orders or picks elements): one scale for all.
 * `copies`: the same with scales per channel too (views, which move the channels' axis themselves, and what leaves every element at its place).
 * `requantise`: on the numbers, whose result is quantised as the first quantised operand is.
 * `centred`: on codes less their zero point, taken for numbers: what commutes with a scale, and rounds once (averages, interpolation).
 * `numbers`: on the numbers; the result is not quantised (comparisons).
 * `own`: its meaning knows quantised operands itself.
 */
export type QuantisedRule = "codes" | "copies" | "requantise" | "centred" | "numbers" | "own";

/** A declared op. */
export interface Op {
  /** `aten::add.Tensor`. */
  readonly name: string;
  readonly schema: string;
  readonly body:
    | { readonly kind: "pointwise"; readonly elementwise: Elementwise }
    /** Arguments as the schema's TypeScript types. */
    | { readonly kind: "run"; readonly run: (ctx: Context, args: readonly unknown[]) => Result | Reads }
    | { readonly kind: "reads"; readonly run: (ctx: Context, args: readonly unknown[]) => Result | Reads }
    /** Arguments and result as data: scalars, strings, containers. */
    | { readonly kind: "raw"; readonly run: (args: readonly Datum[], ctx: Context) => Datum };
  readonly quantised: QuantisedRule | ((ctx: Context, args: readonly unknown[]) => Result | Reads) | undefined;
  readonly quantisedWrites: boolean;
  /** Takes nested tensors. */
  readonly nested?: boolean;
  readonly wideInts?: boolean;
  readonly out?: "own";
}

/** The name part of a schema. */
function nameOf(schema: string): string {
  return schema.slice(0, schema.indexOf("("));
}

/**
 * Declares an op. The argument types of `run` follow from the schema text; in-place (`name_`) and `out=` overloads of the same
 * op need no declaration: they are derived (see `registry.ts`).
 */
export function op<const S extends string>(schema: S, declaration: Declaration<ArgumentsOf<S>>): Op {
  const { run, reads, quantised, nested = false, wideInts = false, out } = declaration;
  const own = typeof quantised === "function" ? (ctx: Context, args: readonly unknown[]) => quantised(ctx, ...(args as ArgumentsOf<S>)) : quantised;
  const base = { name: nameOf(schema), schema, quantised: own, quantisedWrites: declaration.quantisedWrites ?? false, nested, wideInts, ...(out === undefined ? {} : { out }) };
  if (reads !== undefined) {
    // The registry converts arguments by the same schema text that typed `reads`.
    return { ...base, body: { kind: "reads", run: (ctx, args) => reads(ctx, ...(args as ArgumentsOf<S>)) } };
  }
  if (run === undefined) throw new TypeError(`${schema}: no meaning`);
  if (typeof run === "object") return { ...base, body: run };
  return { ...base, body: { kind: "run", run: (ctx, args) => run(ctx, ...(args as ArgumentsOf<S>)) } };
}

/** Declares an op on data other than tensors: scalars, strings, lists, dicts. */
export function dataOp(schema: string, run: (args: readonly Datum[], ctx: Context) => Datum): Op {
  return { name: nameOf(schema), schema, body: { kind: "raw", run: counted(run) }, quantised: undefined, quantisedWrites: false };
}

/** Bytes of a string's or a list's own memory; what is inside was counted when it was made. */
function ownBytes(value: Datum | undefined): number {
  if (typeof value === "string") return 2 * value.length;
  return typeof value === "object" && value !== null && "kind" in value && value.kind === "list" ? 8 * value.items.length : 0;
}

/** The meaning with what it makes and what it adds to its first list counted. */
function counted(run: (args: readonly Datum[], ctx: Context) => Datum): (args: readonly Datum[], ctx: Context) => Datum {
  return (args, ctx) => {
    const [first] = args;
    const before = ownBytes(first);
    const out = run(args, ctx);
    const more = ownBytes(first) - before + (args.includes(out) ? 0 : ownBytes(out));
    if (more > 0) ctx.charge(more);
    return out;
  };
}

/** A pointwise meaning: `pointwise("hardswish", (x) => x.mul(relu6(x.add(3))).div(6))`. */
export function pointwise(name: string, build: Parameters<typeof elementwise>[1], options: ElementwiseOptions = {}): { readonly kind: "pointwise"; readonly elementwise: Elementwise } {
  return { kind: "pointwise", elementwise: elementwise(name, build, options) };
}
