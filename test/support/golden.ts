/** Replays a recorded call of one op (`test/golden/ops/*.json`) through the op tables and compares it with what was recorded. */

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { compareTensors, close, type Tolerance } from "../../scripts/runner/value.ts";
import { bytesSource } from "../../src/bytes/source.ts";
import { canonicalInt, type Datum, makeDict, makeList } from "../../src/ir/datum.ts";
import type { Node, Value as IrValue } from "../../src/ir/graph.ts";
import { parseSchema, type Schema } from "../../src/ir/schema.ts";
import { fetchSchemas, schemaOf } from "../../src/ir/schema-table.ts";
import type { Template } from "../../src/ir/template.ts";
import { T, type Type } from "../../src/ir/type.ts";
import { bindOnnx, onnxTableOf } from "../../src/ops/onnx/define.ts";
import { onnxFamilies } from "../../src/ops/onnx/index.ts";
import { torchFamilies } from "../../src/ops/families.ts";
import { bind, type BoundOp, parsedSchema, tableOf } from "../../src/ops/registry.ts";
import { type Executor } from "../../src/run/executor.ts";
import { type DType, torchOfDtype } from "../../src/tensor/dtype.ts";
import { isContiguous } from "../../src/tensor/shape.ts";
import { type Quantizer, Tensor } from "../../src/tensor/tensor.ts";
import { call } from "./eager.ts";
import { type Arg, type MemoryFormat, numberOf, type Sample, sampleTensor } from "../golden/sample-tensor.ts";

const GOLDEN = join(import.meta.dirname, "../golden");

interface RecordedTensor {
  readonly shape: readonly number[];
  readonly dtype: DType;
  /** base64; absent where only shape and dtype count. */
  readonly data?: string;
  /** Absent: row-major. */
  readonly strides?: readonly number[];
  readonly quantizer?:
    | { readonly scale: number; readonly zeroPoint: number }
    | { readonly scales: readonly number[]; readonly zeroPoints: readonly number[]; readonly axis: number };
}
export type Recorded =
  | { readonly tensor: RecordedTensor }
  | { readonly int: string }
  | { readonly float: string }
  | { readonly bool: boolean }
  | { readonly str: string }
  | { readonly none: true }
  | { readonly complex: readonly [string, string] }
  | { readonly list: readonly Recorded[] }
  | { readonly tuple: readonly Recorded[] }
  | { readonly dict: readonly (readonly [Recorded, Recorded])[] }
  | { readonly dtype: DType }
  | { readonly device: string }
  | { readonly layout: string }
  /** An object of a C++ class, by its name. */
  | { readonly host: string };

/** One recorded call. */
export interface Golden {
  readonly sample: Sample;
  readonly returns?: Recorded;
  readonly raises?: { readonly type: string; readonly contains: string };
  /** Tensor arguments that the call changed, by place. */
  readonly argsAfter?: Readonly<Record<string, { readonly tensor: RecordedTensor }>>;
  /** [result, argument] that share a storage. */
  readonly aliases?: readonly (readonly [number, string])[];
  readonly oracle?: string;
}

interface Limits {
  readonly rtol: number;
  readonly atol: number;
}
type ToleranceTable = Readonly<Record<string, Limits>>;
interface Manifest {
  readonly tolerances: ToleranceTable;
  readonly backendTolerances: Readonly<Record<string, ToleranceTable>>;
}
const manifest: Manifest = JSON.parse(readFileSync(join(GOLDEN, "manifest.json"), "utf8"));

/** Every declared op: TorchScript ones by full name with their schemas, ONNX ones without a version. */
export function declaredOps(): { readonly torch: ReadonlyMap<string, string>; readonly onnx: readonly string[] } {
  return { torch: new Map([...torchTable.values()].map((op) => [op.name, op.schema])), onnx: [...onnxTable.keys()] };
}

/** The recorded calls by file name, `aten-activation` of `ops/aten-activation.json`. */
export function goldens(): ReadonlyMap<string, readonly Golden[]> {
  const folder = join(GOLDEN, "ops");
  const files = readdirSync(folder).filter((file) => file.endsWith(".json"));
  return new Map(files.map((file): [string, Golden[]] => [file.slice(0, -".json".length), JSON.parse(readFileSync(join(folder, file), "utf8"))]));
}

// ---------------------------------------------------------------------------------------------------------- arguments

const FORMATS: Readonly<Record<MemoryFormat, number>> = { contiguous_format: 0, preserve_format: 1, channels_last: 2, channels_last_3d: 3 };

/** An argument as data of a static type, as linking would hand it over. */
function datumOf(arg: Arg, type: Type): Datum {
  if (type.kind === "Optional") return "none" in arg ? null : datumOf(arg, type.elem);
  const boxes = type.kind === "number" || type.kind === "Any" || type.kind === "Union";
  if ("tensor" in arg) return sampleTensor(arg.tensor);
  if ("made" in arg) return call(arg.made.op, arg.made.args.map((item, i) => datumOf(item, torchSchema(arg.made.op).args[i]?.type ?? T.Any)))[0] ?? null;
  if ("int" in arg) {
    const value = canonicalInt(BigInt(arg.int));
    return boxes ? { kind: "int", value } : type.kind === "float" ? Number(value) : value;
  }
  if ("float" in arg) return boxes ? { kind: "float", value: numberOf(arg.float) } : numberOf(arg.float);
  if ("bool" in arg) return boxes ? { kind: "bool", value: arg.bool } : arg.bool;
  if ("complex" in arg) return { kind: "complex", re: arg.complex[0], im: arg.complex[1] };
  if ("str" in arg) return arg.str;
  if ("dtype" in arg) return torchOfDtype(arg.dtype);
  if ("device" in arg) return { kind: "device", name: arg.device };
  if ("memoryFormat" in arg) return FORMATS[arg.memoryFormat];
  if ("list" in arg) {
    const elem = type.kind === "List" && type.elem.kind !== "Var" ? type.elem : typeOfArg(arg.list[0]);
    return makeList(elem, arg.list.map((item) => datumOf(item, elem)));
  }
  if ("dict" in arg) {
    const [key, value] = [typeOfArg(arg.dict[0]?.[0]), typeOfArg(arg.dict[0]?.[1])];
    return makeDict(key, value, arg.dict.map(([k, v]) => [datumOf(k, key), datumOf(v, value)]));
  }
  return null;
}

/** What an argument of a generic op is. */
function typeOfArg(arg: Arg | undefined): Type {
  if (arg === undefined || "tensor" in arg) return T.Tensor;
  if ("int" in arg) return T.int;
  if ("float" in arg) return T.float;
  if ("bool" in arg) return T.bool;
  if ("str" in arg) return T.str;
  if ("complex" in arg) return T.complex;
  if ("list" in arg) return { kind: "List", elem: typeOfArg(arg.list[0]) };
  return T.Any;
}

/** A schema's default as a datum. */
function defaultOf(template: Template, type: Type): Datum {
  if (type.kind === "Optional" && template.kind !== "none") return defaultOf(template, type.elem);
  if (template.kind === "none") return null;
  if (template.kind === "list") return makeList(template.elem, template.items.map((item) => defaultOf(item, template.elem)));
  if (template.kind === "int" || template.kind === "float" || template.kind === "bool") {
    if (type.kind !== "number") return template.value;
    return template.kind === "int" ? { kind: "int", value: template.value } : template.kind === "float" ? { kind: "float", value: template.value } : { kind: "bool", value: template.value };
  }
  if (template.kind === "str") return template.value;
  throw new Error(`no default of kind ${template.kind}`);
}

await fetchSchemas();
const torchTable = tableOf(torchFamilies);
const onnxTable = onnxTableOf(onnxFamilies);

/** An op's meaning and the sample's arguments in the order that it takes them, with the names that the recording gives their places. */
interface Prepared {
  readonly bound: BoundOp;
  readonly args: readonly Datum[];
  readonly places: readonly { readonly name: string; readonly datum: Datum }[];
}

function torchSchema(name: string): Schema {
  const op = torchTable.get(name);
  return schemaOf(name) ?? (op === undefined ? undefined : parsedSchema(op)) ?? parseSchema(name);
}

function prepareTorch(sample: Sample): Prepared {
  const schema = torchSchema(sample.op);
  const bound = bind(schema, torchTable);
  if (bound === undefined) throw new Error(`no meaning for ${sample.op}`);
  const places: { name: string; datum: Datum }[] = [];
  const given = (name: string, arg: Arg, type: Type): Datum => {
    const datum = datumOf(arg, type);
    places.push({ name, datum });
    return datum;
  };
  const args = schema.args.map((a, i): Datum => {
    const arg = sample.args[i];
    if (arg !== undefined && !a.kwargOnly) return given(String(i), arg, a.type);
    const named = sample.kwargs?.[a.name];
    if (named !== undefined) return given(a.name, named, a.type);
    if (a.default === undefined) throw new Error(`${sample.op}: argument ${a.name} is missing`);
    return defaultOf(a.default, a.type);
  });
  if (schema.vararg) sample.args.slice(schema.args.length).forEach((arg, i) => args.push(given(String(schema.args.length + i), arg, T.Any)));
  return { bound, args, places };
}

function prepareOnnx(sample: Sample): Prepared {
  const tensors = new Map<Template, Tensor>();
  const template = (arg: Arg): Template => {
    if ("int" in arg) return { kind: "int", value: canonicalInt(BigInt(arg.int)) };
    if ("float" in arg) return { kind: "float", value: numberOf(arg.float) };
    if ("str" in arg) return { kind: "str", value: arg.str };
    if ("list" in arg) return { kind: "list", elem: T.Any, items: arg.list.map(template) };
    if (!("tensor" in arg)) throw new Error(`${sample.op}: no such attribute in ONNX`);
    const value = sampleTensor(arg.tensor);
    const { dtype, shape, strides } = value;
    const storage = { source: bytesSource(value.storage.bytes()), nbytes: value.storage.nbytes, device: "cpu" };
    const made: Template = { kind: "tensor", tensor: { storage, dtype, shape, strides, offset: 0, requiresGrad: false } };
    tensors.set(made, value);
    return made;
  };
  const results = Array.from({ length: sample.outputs ?? 1 }, (_, id): IrValue => ({ id, type: T.Tensor }));
  const attributes = Object.fromEntries(Object.entries(sample.kwargs ?? {}).map(([name, arg]) => [name, template(arg)]));
  const node: Node = { op: sample.op, operands: [], attributes, results, blocks: [] };
  const bound = bindOnnx(onnxTable, node, (t) => tensors.get(t) ?? null);
  if (bound === undefined) throw new Error(`no meaning for ${sample.op}`);
  const args = sample.args.map((arg) => datumOf(arg, T.Tensor));
  return { bound, args, places: args.map((datum, i) => ({ name: String(i), datum })) };
}

/** A sample's op as a node with its meaning and arguments, for whoever runs it otherwise. */
export function callOf(sample: Sample): { readonly node: Node; readonly bound: BoundOp; readonly args: readonly Datum[] } {
  const { bound, args } = isOnnx(sample) ? prepareOnnx(sample) : prepareTorch(sample);
  const node: Node = { op: sample.op, operands: [], attributes: {}, results: [], blocks: [], schema: isOnnx(sample) ? undefined : torchSchema(sample.op) };
  return { node, bound, args };
}

/** Tensor arguments by place: `0`, `name`, `2.1` for the second of a list. */
function tensorsIn(prepared: Prepared): Map<string, Tensor> {
  const found = new Map<string, Tensor>();
  for (const { name, datum } of prepared.places) {
    if (datum instanceof Tensor) found.set(name, datum);
    else itemsOf(datum, "list")?.forEach((item, i) => item instanceof Tensor && found.set(`${name}.${i}`, item));
  }
  return found;
}

function itemsOf(datum: Datum | undefined, kind: "list" | "tuple"): readonly Datum[] | undefined {
  return typeof datum === "object" && datum !== null && "kind" in datum && datum.kind === kind ? datum.items : undefined;
}

// ------------------------------------------------------------------------------------------------------------- replay

function isOnnx(sample: Sample): boolean {
  return /^(?:onnx|ai\.onnx|com\.microsoft)/.test(sample.op);
}

/** Runs the sample in `ctx`; its bytes are readable afterwards. */
async function run(ctx: Executor, prepared: Prepared): Promise<readonly Datum[]> {
  const { bound, args } = prepared;
  let out: readonly Datum[];
  if (bound.reads) {
    const steps = bound.run(ctx, args);
    let step = steps.next();
    for (; step.done !== true; step = steps.next()) await (step.value instanceof Promise ? step.value : ctx.sync(step.value));
    out = step.value;
  } else out = bound.run(ctx, args);
  await ctx.pending;
  const settle = async (datum: Datum): Promise<void> => {
    if (datum instanceof Tensor) await ctx.sync(datum);
    else for (const item of itemsOf(datum, "list") ?? itemsOf(datum, "tuple") ?? []) await settle(item);
  };
  for (const datum of [...out, ...tensorsIn(prepared).values()]) await settle(datum);
  return out;
}

/** What differs between a replay on the executor's backend and the recording, or undefined. */
export async function replay(golden: Golden, ctx: Executor, backend: string): Promise<string | undefined> {
  const { sample } = golden;
  const prepared = isOnnx(sample) ? prepareOnnx(sample) : prepareTorch(sample);
  let got: readonly Datum[];
  try {
    got = await run(ctx, prepared);
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    const typed = error.name === "OpwiseError" && !("code" in error && error.code === "internal");
    if (golden.raises !== undefined && typed) return undefined;
    return `raised ${error.name}: ${error.message.split("\n")[0] ?? ""}${golden.raises === undefined ? "" : " (an error was wanted, but a typed one)"}`;
  }
  if (golden.raises !== undefined) return `no error, wanted ${golden.raises.type}: ${golden.raises.contains}`;
  const { returns } = golden;
  if (returns === undefined) return "no result was recorded";
  const want = "tuple" in returns && (isOnnx(sample) || torchSchema(sample.op).returns.length > 1) ? returns.tuple : "none" in returns && got.length === 0 ? [] : [returns];
  if (want.length !== got.length) return `${got.length} results, wanted ${want.length}`;
  const check = new Comparison(sample, backend);
  for (let i = 0; i < want.length; i++) {
    const difference = check.datum(got[i] ?? null, want[i]);
    if (difference !== undefined) return want.length === 1 ? difference : `result ${i}: ${difference}`;
  }
  if (sample.check === "shape_dtype") return undefined;
  return check.arguments(prepared, golden) ?? aliasing(got, prepared, golden);
}

class Comparison {
  readonly #sample: Sample;
  readonly #backend: string;
  constructor(sample: Sample, backend: string) {
    this.#sample = sample;
    this.#backend = backend;
  }

  #tolerance(dtype: DType): Tolerance {
    const table = manifest.backendTolerances[this.#backend]?.[dtype] ?? manifest.tolerances[dtype] ?? { rtol: 0, atol: 0 };
    return { rtol: Math.max(this.#sample.rtol ?? 0, table.rtol), atol: Math.max(this.#sample.atol ?? 0, table.atol) };
  }

  tensor(got: Tensor, want: RecordedTensor): string | undefined {
    if (want.data === undefined) return compareShapes(got, want);
    const expected = Tensor.zeros([...want.shape], want.dtype);
    expected.storage.bytes().set(Buffer.from(want.data, "base64"));
    const difference = compareTensors(got, expected, this.#tolerance(want.dtype)) ?? (isOnnx(this.#sample) ? undefined : compareStrides(got, want));
    return difference ?? compareQuantizers(got.quantizer, want.quantizer);
  }

  datum(got: Datum, want: Recorded | undefined): string | undefined {
    if (want === undefined) return "one result too many";
    const bare = typeof got === "object" && got !== null && "kind" in got && (got.kind === "int" || got.kind === "float" || got.kind === "bool") ? got.value : got;
    const text = (): string => (got instanceof Tensor ? "a Tensor" : JSON.stringify(got, (_, v: unknown) => (typeof v === "bigint" ? String(v) : v)));
    const equal = (same: boolean): string | undefined => (same ? undefined : `${text()}, wanted ${JSON.stringify(want)}`);
    if ("tensor" in want) return got instanceof Tensor ? this.tensor(got, want.tensor) : equal(false);
    if ("int" in want) return equal((typeof bare === "number" || typeof bare === "bigint") && String(bare) === String(BigInt(want.int)));
    if ("float" in want) return equal(typeof bare === "number" && close(bare, numberOf(want.float), this.#tolerance("float64")));
    if ("bool" in want) return equal(bare === want.bool);
    if ("str" in want) return equal(bare === want.str);
    if ("none" in want) return equal(got === null);
    if ("dtype" in want) return equal(bare === torchOfDtype(want.dtype));
    if ("host" in want) return equal(typeof got === "object" && got !== null && "kind" in got && got.kind === "host" && got.name === want.host);
    if ("layout" in want) return equal(bare === 0 && want.layout === "strided");
    if (typeof got !== "object" || got === null || got instanceof Tensor || !("kind" in got)) return equal(false);
    if ("device" in want) return equal(got.kind === "device" && got.name === want.device);
    if ("complex" in want) {
      const [re, im] = want.complex;
      const tolerance = this.#tolerance("float64");
      return equal(got.kind === "complex" && close(got.re, numberOf(re), tolerance) && close(got.im, numberOf(im), tolerance));
    }
    if ("dict" in want) {
      if (got.kind !== "dict" || got.entries.size !== want.dict.length) return equal(false);
      const entries = [...got.entries.values()];
      return this.#items(entries.flat(), want.dict.flat());
    }
    const items = "list" in want ? itemsOf(got, "list") : itemsOf(got, "tuple");
    return items === undefined ? equal(false) : this.#items(items, "list" in want ? want.list : want.tuple);
  }

  #items(got: readonly Datum[], want: readonly Recorded[]): string | undefined {
    if (got.length !== want.length) return `${got.length} items, wanted ${want.length}`;
    for (let i = 0; i < want.length; i++) {
      const difference = this.datum(got[i] ?? null, want[i]);
      if (difference !== undefined) return `[${i}]: ${difference}`;
    }
    return undefined;
  }

  /** Arguments hold what was recorded after the call; the others hold what they held before it. */
  arguments(prepared: Prepared, golden: Golden): string | undefined {
    const before = tensorsIn(isOnnx(golden.sample) ? prepareOnnx(golden.sample) : prepareTorch(golden.sample));
    for (const [place, tensor] of tensorsIn(prepared)) {
      const want = golden.argsAfter?.[place];
      const old = before.get(place);
      const difference = want !== undefined ? this.tensor(tensor, want.tensor) : old === undefined ? undefined : compareTensors(tensor, old, { rtol: 0, atol: 0 });
      if (difference !== undefined) return `argument ${place} after the call: ${difference}`;
    }
    return undefined;
  }
}

function compareQuantizers(got: Quantizer | undefined, want: RecordedTensor["quantizer"]): string | undefined {
  if (want === undefined) return got === undefined ? undefined : "a quantiser where none was recorded";
  if (got === undefined) return "no quantiser";
  if ("scale" in want) {
    if (got.scheme !== "per_tensor_affine") return `quantiser ${got.scheme}`;
    const same = Math.abs(got.scale - want.scale) <= 1e-12 * want.scale && got.zeroPoint === want.zeroPoint;
    return same ? undefined : `scale ${got.scale}, zero point ${got.zeroPoint}, wanted ${want.scale}, ${want.zeroPoint}`;
  }
  if (got.scheme === "per_tensor_affine" || got.axis !== want.axis) return `quantiser ${got.scheme}`;
  const [scales, zeros] = [Array.from(got.scales.data, Number), Array.from(got.zeroPoints.data, Number)];
  const same = scales.join() === want.scales.join() && zeros.join() === want.zeroPoints.join();
  return same ? undefined : `scales ${scales.join(", ")}, zero points ${zeros.join(", ")}`;
}

function compareShapes(got: Tensor, want: RecordedTensor): string | undefined {
  if (got.dtype !== want.dtype) return `dtype ${got.dtype}, wanted ${want.dtype}`;
  return got.shape.join() === want.shape.join() ? undefined : `shape [${got.shape.join(", ")}], wanted [${want.shape.join(", ")}]`;
}

/** Strides of axes longer than 1 count; a tensor without elements has none that do. */
function compareStrides(got: Tensor, want: RecordedTensor): string | undefined {
  if (want.shape.includes(0)) return undefined;
  const { strides } = want;
  if (strides === undefined) return isContiguous(got.shape, got.strides) ? undefined : `strides [${got.strides.join(", ")}], wanted row-major ones`;
  const same = want.shape.every((size, axis) => size === 1 || got.strides[axis] === strides[axis]);
  return same ? undefined : `strides [${got.strides.join(", ")}], wanted [${strides.join(", ")}]`;
}

/** Results lie in the storages of the arguments that PyTorch's results lay in, and in no other. */
function aliasing(got: readonly Datum[], prepared: Prepared, golden: Golden): string | undefined {
  if (isOnnx(golden.sample)) return undefined;
  const results = got.length === 1 ? (itemsOf(got[0], "list") ?? itemsOf(got[0], "tuple") ?? got) : got;
  const wanted = new Set((golden.aliases ?? []).map(([result, place]) => `${result} ${place}`));
  for (const [i, result] of results.entries()) {
    if (!(result instanceof Tensor) || result.numel === 0) continue;
    for (const [place, tensor] of tensorsIn(prepared)) {
      const shared = result.storage === tensor.storage;
      if (shared !== wanted.has(`${i} ${place}`)) return `result ${i} ${shared ? "lies" : "does not lie"} in the storage of argument ${place}`;
    }
  }
  return undefined;
}
