/** Finds an op's meaning by name and binds it to a schema: converts arguments and results, derives in-place and `out=` forms. */

import { boxed, type Datum, makeList, type Scalar } from "../ir/datum.ts";
import { type Argument, fullName, parseSchema, type Schema } from "../ir/schema.ts";
import { T, type Type } from "../ir/type.ts";
import { checkApart, checkOverlap, copyInto, empty } from "../prims/calls.ts";
import type { Context } from "../prims/context.ts";
import { reshaped } from "../prims/views.ts";
import { torchOfDtype, typeName } from "../tensor/dtype.ts";
import { OpwiseError, unreachable } from "../tensor/error.ts";
import { contiguousStrides, numelOf, sameShape } from "../tensor/shape.ts";
import { Tensor } from "../tensor/tensor.ts";
import { itemsize } from "../tensor/dtype.ts";
import type { Op, Reads, Result } from "./define.ts";
import { apply, checkCast } from "./elementwise.ts";
import { guarded } from "./quantised-rule.ts";

/** What runs an op that reads: it yields tensors whose values it needs, or promises of what else it waits for. */
export type OpSteps = Generator<Tensor | Promise<void>, readonly Datum[], void>;

/** An op bound to a schema: arguments in schema order, all given (defaults filled in by the linker). */
export type BoundOp =
  | { readonly reads: false; readonly run: (ctx: Context, args: readonly Datum[]) => readonly Datum[] }
  | { readonly reads: true; readonly run: (ctx: Context, args: readonly Datum[]) => OpSteps };

/** Ops by full name. */
export type OpTable = ReadonlyMap<string, Op>;

export function tableOf(families: readonly (readonly Op[])[]): OpTable {
  const table = new Map<string, Op>();
  for (const family of families) {
    for (const op of family) {
      if (table.has(op.name)) throw new OpwiseError("internal", `\`${op.name}\` is declared twice`);
      table.set(op.name, op);
    }
  }
  return table;
}

/** How an argument goes from datum to what the op's function takes. */
function converter(type: Type, wide = false): ((value: Datum) => unknown) | undefined {
  switch (type.kind) {
    case "Optional": {
      const inner = converter(type.elem, wide);
      return inner === undefined ? undefined : (value) => (value === null ? null : inner(value));
    }
    case "int":
    case "float":
      return (value) => (typeof value === "number" || (wide && typeof value === "bigint") ? value : Number(value));
    case "List": {
      if (type.elem.kind === "Tensor") return itemsOf;
      const inner = converter(type.elem);
      return inner === undefined ? itemsOf : (value) => itemsOf(value).map(inner);
    }
    case "Device":
      return (value) => (typeof value === "object" && value !== null && "kind" in value && value.kind === "device" ? value.name : value);
    case "Generator":
      return (value) => (typeof value === "object" && value !== null && "kind" in value && value.kind === "generator" ? value.state : value);
    case "number":
      return asScalar;
    default:
      return undefined;
  }
}

function itemsOf(value: Datum): Datum[] {
  if (typeof value === "object" && value !== null && "kind" in value && value.kind === "list") return value.items;
  throw new OpwiseError("type-mismatch", "an op's argument is no list", { wanted: "a list", got: typeof value });
}

/** A boxed scalar; bare values (from callers that know no static types) are boxed by what they are. */
export function asScalar(value: Datum): Scalar {
  if (typeof value === "number") return boxed(value, Number.isInteger(value) ? "int" : "float");
  if (typeof value === "bigint") return boxed(value, "int");
  if (typeof value === "boolean") return boxed(value, "bool");
  if (typeof value === "object" && value !== null && "kind" in value && (value.kind === "int" || value.kind === "float" || value.kind === "bool" || value.kind === "complex")) return value;
  throw new OpwiseError("type-mismatch", "an op's argument is no number", { wanted: "Scalar", got: value === null ? "None" : typeof value });
}

/** A result as data of the declared type. */
function toDatum(value: Result, type: Type): Datum {
  if (value === undefined) return null;
  if (Array.isArray(value)) {
    const items: readonly Result[] = value;
    const elem = type.kind === "List" ? type.elem : type.kind === "Optional" && type.elem.kind === "List" ? type.elem.elem : T.Any;
    return makeList(elem, items.map((item) => toDatum(item, elem)));
  }
  return value as Datum; // an array is the only other member, and was handled
}

function toResults(value: Result, schema: Schema): readonly Datum[] {
  if (schema.returns.length === 1) return [toDatum(value, (schema.returns[0] ?? unreachable("return")).type)];
  if (schema.returns.length === 0) return [];
  if (!Array.isArray(value)) return unreachable(`${fullName(schema)} returns one value, its schema ${schema.returns.length}`);
  const items: readonly Result[] = value;
  return schema.returns.map((r, i) => toDatum(items[i], r.type));
}

/** Makes `out` a tensor of the wanted shape (PyTorch's `resize_output`) and copies `value` into it. */
export function writeOut(ctx: Context, out: Tensor, value: Tensor): void {
  checkCast(value.dtype, out.dtype);
  if (!sameShape(out.shape, value.shape)) resize(ctx, out, value.shape);
  copyInto(ctx, out, value);
}

/** `resize_`: the storage grows as needed; the tensor becomes row-major. */
export function resize(ctx: Context, t: Tensor, shape: readonly number[]): void {
  const nbytes = (t.offset + numelOf(shape)) * itemsize(t.dtype);
  if (nbytes > t.storage.nbytes) {
    if (t.storage.nbytes === 0) t.storage = empty(ctx, [nbytes], "uint8").storage;
    else t.storage.grow(nbytes);
  }
  t.shape = [...shape];
  t.strides = contiguousStrides(shape);
}

/** Where a schema's meaning comes from. */
export interface Derived {
  readonly op: Op;
  /** The op itself, or its in-place or `out=` form; `factory`: an `out` form whose dtype is `out`'s, where the functional op is told one. */
  readonly form: "plain" | "inplace" | "out" | "factory";
}

/** Arguments that factories have besides those of their `out` forms. */
const FACTORY: ReadonlySet<string> = new Set(["dtype", "layout", "device", "pin_memory"]);

/** Whether `own` are `inputs` and, among them, what a factory is told of its result. */
function isFactoryOf(own: readonly Argument[], inputs: readonly Argument[]): boolean {
  const asked = own.filter((a) => !FACTORY.has(a.name));
  return own.some((a) => a.name === "dtype") && asked.length === inputs.length && asked.every((a, i) => a.name === inputs[i]?.name && a.type.kind === inputs[i]?.type.kind);
}

/** The name of the functional op that `name_.overload` or an out overload writes the result of. */
function candidates(schema: Schema): string[] {
  const { name, overload } = schema;
  const list: string[] = [];
  const plain = name.endsWith("_") && !name.endsWith("__") ? name.slice(0, -1) : name;
  const dot = (o: string): string => (o === "" ? plain : `${plain}.${o}`);
  const stem = overload.replace(/_?out$/, "");
  list.push(dot(overload), dot(stem), dot((stem === "" ? "" : stem)), dot(""), dot("Tensor"), dot("default"), dot("Scalar"), dot("Tensor_Scalar"), dot("int"), dot("self"), dot("dim"), dot("dim_IntList"));
  return [...new Set(list)];
}

function sameArguments(a: readonly Argument[], b: readonly Argument[]): boolean {
  return a.length === b.length && a.every((x, i) => (x.name === b[i]?.name && (x.type.kind === "Tensor") === (b[i]?.type.kind === "Tensor")) || x.type.kind === b[i]?.type.kind);
}

/** The op that a schema has its meaning from, or undefined where there is none. */
export function derive(schema: Schema, table: OpTable): Derived | undefined {
  const direct = table.get(fullName(schema));
  if (direct !== undefined) return { op: direct, form: "plain" };
  const outs = schema.args.filter((a) => a.kwargOnly && a.alias?.write === true);
  const inplace = schema.args[0]?.alias?.write === true && schema.name.endsWith("_");
  if (outs.length === 0 && !inplace) return undefined;
  const inputs = outs.length > 0 ? schema.args.filter((a) => !outs.includes(a)) : schema.args;
  for (const name of candidates(schema)) {
    const op = table.get(name);
    if (op === undefined) continue;
    const own = parsedSchema(op);
    if (sameArguments(own.args, inputs)) return { op, form: outs.length > 0 ? "out" : "inplace" };
  }
  // Overloads whose names say nothing of their functional twin (`norm.out` of `norm.ScalarOpt_dim`): the one with the very same arguments.
  const plain = schema.name.endsWith("_") && !schema.name.endsWith("__") ? schema.name.slice(0, -1) : schema.name;
  for (const op of namedIn(table, plain)) {
    const own = parsedSchema(op).args;
    const same = own.length === inputs.length && own.every((x, i) => x.name === inputs[i]?.name && x.type.kind === inputs[i]?.type.kind);
    if (same) return { op, form: outs.length > 0 ? "out" : "inplace" };
    if (outs.length === 1 && isFactoryOf(own, inputs)) return { op, form: "factory" };
  }
  return undefined;
}

function isReads(value: Result | Reads): value is Reads {
  return typeof value === "object" && value !== null && Symbol.iterator in value && "next" in value;
}

const byName = new WeakMap<OpTable, Map<string, Op[]>>();
/** All overloads of a name that a table has. */
function namedIn(table: OpTable, name: string): readonly Op[] {
  let names = byName.get(table);
  if (names === undefined) {
    names = new Map();
    for (const op of table.values()) {
      const base = op.name.split(".")[0] ?? op.name;
      names.set(base, [...(names.get(base) ?? []), op]);
    }
    byName.set(table, names);
  }
  return names.get(name) ?? [];
}

const parsed = new WeakMap<Op, Schema>();
/** The op's own schema, parsed once. */
export function parsedSchema(op: Op): Schema {
  let schema = parsed.get(op);
  if (schema === undefined) parsed.set(op, (schema = parseSchema(op.schema)));
  return schema;
}

/** Whether the table has a meaning for the schema, directly or derived. */
export function supports(schema: Schema, table: OpTable): boolean {
  return derive(schema, table) !== undefined;
}

/** @throws unsupported-op where an argument is a nested tensor, whose padding an op that does not know of it would take for values */
function refuseNested(name: string, args: readonly Datum[]): void {
  for (const arg of args) {
    if (arg instanceof Tensor && arg.lengths !== undefined) {
      throw new OpwiseError("unsupported-op", `\`${name}\` of a nested tensor is not in this build`, { where: { op: name }, hint: "a padded batch with a mask takes no nested tensors (`enable_nested_tensor=False`)" });
    }
  }
}

/** @throws dtype-mismatch, overlap: where an `out` has another dtype than its result, or memory of an operand's */
function checkOwn(ctx: Context, outs: readonly Tensor[], values: readonly Result[], inputs: readonly Tensor[]): void {
  for (const [i, out] of outs.entries()) {
    const value = values[i];
    if (value instanceof Tensor && value.dtype !== out.dtype) {
      throw new OpwiseError("dtype-mismatch", `Expected out tensor to have dtype ${typeName(value.dtype)}, but got ${typeName(out.dtype)} instead`);
    }
    checkOverlap(out, []);
    if (value instanceof Tensor && !sameShape(out.shape, value.shape)) resize(ctx, out, value.shape);
    for (const arg of inputs) if (arg.numel > 0 && out.numel > 0) checkApart(out, arg);
  }
}

/** The op for a schema, or undefined where there is none. */
export function bind(schema: Schema, table: OpTable): BoundOp | undefined {
  const found = derive(schema, table);
  if (found === undefined) return undefined;
  return guarded(bindFound(schema, found), schema, found, bindFound, parsedSchema);
}

function bindFound(schema: Schema, { op, form }: Derived): BoundOp {
  const { body } = op;
  const outs = schema.args.map((a, i) => (a.kwargOnly && a.alias?.write === true ? i : -1)).filter((i) => i >= 0);
  const inputs = schema.args.map((_, i) => i).filter((i) => (form !== "out" && form !== "factory") || !outs.includes(i));
  const converters = inputs.map((i) => converter((schema.args[i] ?? unreachable("argument")).type, op.wideInts));
  const plainArguments = form !== "out" && form !== "factory" && converters.every((c) => c === undefined);

  if (body.kind === "raw") {
    const count = schema.returns.length;
    return {
      reads: false,
      run: (ctx, args) => {
        const value = body.run(args, ctx);
        if (count === 1) return [value];
        // Several results come as a tuple.
        return count > 1 && typeof value === "object" && value !== null && "kind" in value && value.kind === "tuple" ? value.items : [];
      },
    };
  }

  const targets = (args: readonly Datum[]): Tensor[] => {
    const picked = form === "inplace" ? [args[0]] : form === "out" || form === "factory" ? outs.map((i) => args[i]) : [];
    // `out=` of an op that gives a list is a list.
    return picked.flatMap((t) => (typeof t === "object" && t !== null && "kind" in t && t.kind === "list" ? t.items : [t])).filter((t): t is Tensor => t instanceof Tensor);
  };
  const settle = (ctx: Context, value: Result, args: readonly Datum[]): readonly Datum[] => {
    if (form === "plain") return toResults(value, schema);
    const into = targets(args);
    const values: readonly Result[] = Array.isArray(value) ? value : [value];
    if (form === "out" && op.out === "own") checkOwn(ctx, into, values, inputs.map((i) => args[i]).filter((t): t is Tensor => t instanceof Tensor));
    into.forEach((t, i) => {
      const v = values[i];
      if (!(v instanceof Tensor)) return;
      // A sequence (arange, linspace) fills an `out` of as many elements whatever its shape.
      const sequence = form === "factory" && v.rank === 1 && !schema.args.some((a) => a.type.kind === "List") && v.numel === t.numel;
      if (sequence) copyInto(ctx, t, reshaped(ctx, v, t.shape));
      else if (form !== "inplace") writeOut(ctx, t, v);
      else {
        checkCast(v.dtype, t.dtype);
        copyInto(ctx, t, v);
      }
      if (v.quantizer !== undefined) t.quantizer = v.quantizer;
    });
    return schema.returns.length === 0 ? [] : into;
  };
  const convert = (args: readonly Datum[]): readonly unknown[] => {
    if (op.nested !== true) refuseNested(op.name, args);
    const out: unknown[] = plainArguments ? [...args] : new Array<unknown>(inputs.length);
    if (!plainArguments) {
      for (let k = 0; k < inputs.length; k++) {
        const value = args[inputs[k] ?? 0] ?? null;
        const convertOne = converters[k];
        out[k] = convertOne === undefined ? value : convertOne(value);
      }
    }
    if (form === "factory") {
      const [target] = targets(args);
      const given = out.splice(0);
      for (const a of parsedSchema(op).args) out.push(!FACTORY.has(a.name) ? given.shift() : a.name === "dtype" && target !== undefined ? torchOfDtype(target.dtype) : null);
    }
    return out;
  };

  if (body.kind === "reads") {
    return {
      reads: true,
      run: function* run(ctx, args): Generator<Tensor, readonly Datum[], void> {
        const steps = body.run(ctx, convert(args));
        return settle(ctx, isReads(steps) ? yield* steps : steps, args);
      },
    };
  }
  if (body.kind === "pointwise") {
    const e = body.elementwise;
    const own = parsedSchema(op);
    const operandAt = own.args.map((a, i) => (a.type.kind === "Tensor" || a.type.kind === "number" || a.type.kind === "float" || a.type.kind === "int" ? i : -1)).filter((i) => i >= 0);
    const kinds = operandAt.map((i) => own.args[i]?.type.kind);
    return {
      reads: false,
      run: (ctx, args) => {
        refuseNested(op.name, args);
        const operands = operandAt.map((i, k): Tensor | Scalar => {
          const value = args[inputs[i] ?? 0] ?? null;
          if (value instanceof Tensor) return value;
          return kinds[k] === "float" ? { kind: "float", value: Number(value) } : asScalar(value);
        });
        if (form === "plain") return [apply(ctx, e, operands)];
        const [target] = targets(args);
        if (target === undefined) return unreachable("a written argument that is no tensor");
        if (form === "inplace") return [apply(ctx, e, operands, target)];
        writeOut(ctx, target, apply(ctx, e, operands));
        return [target];
      },
    };
  }
  const { run } = body;
  return {
    reads: false,
    run: (ctx, args) => {
      const value = run(ctx, convert(args));
      return isReads(value) ? unreachable("an op that waits is declared so") : settle(ctx, value, args);
    },
  };
}

/** What finds meanings, for those who are given it: it comes with the ops, when a model needs them. */
export interface Registry {
  readonly bind: typeof bind;
  readonly parsedSchema: typeof parsedSchema;
  readonly supports: typeof supports;
}
export const registry: Registry = { bind, parsedSchema, supports };
