/** Inputs made up from what a program declares, for measuring it: their shapes and dtypes are right, their values mean nothing. */

import { evaluateDim, printDim, type Dim } from "../ir/dim.ts";
import type { Program } from "../ir/graph.ts";
import { printType, type Type } from "../ir/type.ts";
import { type DType, dtypeInfo, itemsize } from "../tensor/dtype.ts";
import { OpwiseError } from "../tensor/error.ts";
import { metaStorage } from "../tensor/meta.ts";
import { numelOf } from "../tensor/shape.ts";
import { Tensor } from "../tensor/tensor.ts";
import { fromDatum, type Input } from "./convert.ts";
import { unflatten } from "./pytree.ts";

/** What the file does not say: shapes of inputs by name, with a dtype where it is not float32; sizes of symbolic dims by name, as one number. */
export type GivenShapes = Readonly<Record<string, { readonly shape: readonly number[]; readonly dtype?: DType | undefined }>>;

export interface ExampleInputs {
  readonly args: readonly Input[];
  readonly kwargs: Readonly<Record<string, Input>>;
}

/** A tensor that has sizes and no data. */
export function metaTensor(shape: readonly number[], dtype: DType): Tensor {
  return new Tensor(metaStorage(numelOf(shape) * itemsize(dtype)), dtype, shape);
}

/** Noise in [-1, 1) for floats, 0 and 1 in turn for ints (indices into anything), true for bools; always the same. */
function noise(shape: readonly number[], dtype: DType): Tensor {
  const tensor = Tensor.zeros(shape, dtype);
  const { data } = tensor;
  const info = dtypeInfo(dtype);
  let state = 1;
  if (dtype === "float32" || dtype === "float64") for (let i = 0; i < data.length; i++) data[i] = (state = (state * 48271) % 2147483647) / 1073741824 - 1;
  else if (data instanceof BigInt64Array || data instanceof BigUint64Array) for (let i = 0; i < data.length; i++) data[i] = BigInt(i & 1);
  else if (info.class === "int" || dtype === "bool") for (let i = 0; i < data.length; i++) data[i] = dtype === "bool" ? 1 : i & 1;
  return tensor; // half floats stay zeros: in memory they are bits
}

/** A program's inputs, those with a default or an initialiser left out. */
function declared(program: Program): readonly { readonly name: string; readonly type: Type }[] {
  if (program.inputs !== undefined) return program.inputs.filter((i) => i.optional !== true);
  const root = program.root?.kind === "object" ? program.root.class : undefined;
  const params = root?.methods.get("forward")?.params.slice(1) ?? program.main?.params ?? [];
  return params.filter((p) => p.default === undefined);
}

/**
 * Inputs for `forward`: ONNX ones by name, others in order.
 * @throws bad-argument for a shape that neither the file nor `given` says, for a name in `given` that the program does not have,
 *   and for inputs that are no tensors
 */
export function exampleInputs(program: Program, given: GivenShapes = {}, fill: (shape: readonly number[], dtype: DType) => Tensor = noise): ExampleInputs {
  const inputs = declared(program);
  const used = new Set<string>();
  const sizes = new Map<string, number>();
  for (const [name, { shape }] of Object.entries(given)) {
    const [size] = shape;
    if (shape.length === 1 && size !== undefined && !inputs.some((i) => i.name === name)) sizes.set(name, size);
  }
  const sizeOf = (dim: Dim): number | undefined => {
    const size = evaluateDim(dim, sizes);
    for (const name of symbolsOf(dim)) used.add(name);
    return size;
  };
  const make = (name: string, type: Type): Tensor => {
    if (type.kind !== "Tensor") {
      throw new OpwiseError("bad-argument", `the input \`${name}\` is no tensor, and cannot be made up`, {
        got: printType(type),
        hint: "give inputs as files",
      });
    }
    const own = given[name];
    if (own !== undefined) {
      used.add(name);
      return fill(own.shape, own.dtype ?? type.dtype ?? "float32");
    }
    const { shape, dtype = "float32" } = type;
    if (dtype === "string") throw new OpwiseError("bad-argument", `the input \`${name}\` has strings, which are not made up`, { hint: "give inputs as files" });
    const dims = shape?.map(sizeOf);
    const open = shape?.filter((_, i) => dims?.[i] === undefined).map(printDim);
    if (dims === undefined || open === undefined || open.length > 0) {
      throw new OpwiseError("bad-argument", `the file does not say the shape of the input \`${name}\``, {
        wanted: `a shape for \`${name}\`${open === undefined || open.some((d) => d.startsWith("?")) ? "" : `, or sizes for ${open.map((d) => `\`${d}\``).join(", ")}`}`,
        got: printType(type),
      });
    }
    return fill(dims.map(Number), dtype);
  };
  const made = inputs.map((i) => [i.name, make(i.name, i.type)] as const);
  const unknown = Object.keys(given).filter((name) => !used.has(name));
  if (unknown.length > 0) {
    throw new OpwiseError("bad-argument", `the program has no input or symbol \`${unknown.join("`, `")}\``, { wanted: inputs.map((i) => i.name).join(", ") });
  }
  if (program.format === "onnx") return { args: [], kwargs: Object.fromEntries(made) };
  if (program.inputTree === undefined) return { args: made.map(([, t]) => t), kwargs: {} };
  let at = 0;
  const tree = unflatten(program.inputTree, () => ({ value: made[at]?.[1] ?? null, type: inputs[at++]?.type ?? { kind: "Tensor" } }));
  const nest = fromDatum(tree.value);
  const [args, kwargs] = Array.isArray(nest) ? (nest as readonly Input[]) : []; // the tree of a call: a tuple of arguments and a dict of named ones
  return {
    args: Array.isArray(args) ? (args as readonly Input[]) : [],
    kwargs: typeof kwargs === "object" && kwargs !== null ? (kwargs as Readonly<Record<string, Input>>) : {}, // keys of keyword arguments are strings
  };
}

function symbolsOf(dim: Dim): readonly string[] {
  if (typeof dim === "number") return [];
  return dim.op === "symbol" ? [dim.name ?? "?"] : dim.args.flatMap(symbolsOf);
}
