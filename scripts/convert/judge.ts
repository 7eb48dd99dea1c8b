/** Converted models against recorded answers: runs them here, puts their outputs together again, and says what differs. */

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { openSource } from "../../src/bytes/source.ts";
import { readNpz } from "../../src/bytes/npz.ts";
import { type Exported, type Input, type Leaves, load, type Session } from "../../src/index.ts";
import { boxed, type Datum, makeDict, makeList, makeTuple } from "../../src/ir/datum.ts";
import { T } from "../../src/ir/type.ts";
import { complexOf, dtypeInfo } from "../../src/tensor/dtype.ts";
import { isOpwiseError } from "../../src/tensor/error.ts";
import { Storage } from "../../src/tensor/storage.ts";
import { Tensor } from "../../src/tensor/tensor.ts";
import { CASE_FILES } from "../runner/torch-case.ts";
import { type Arrays, array, compare, elements, inputOf, type Json, type JsonObject, object, type Tolerance } from "../runner/value.ts";

/** What runs a model in another runtime. */
export interface Reference {
  run(files: ReadonlyMap<string, Uint8Array>, feeds: readonly Feed[]): Promise<Map<string, Value>>;
}
export interface Feed {
  readonly name: string;
  readonly tensor: Tensor;
}
export type Value = Tensor | readonly Tensor[];

/** The model's answer as data, put together from the graph's outputs. */
function datumOf(leaves: Leaves, values: ReadonlyMap<string, Value>): Datum {
  const tensor = (name: string): Tensor => {
    const v = values.get(name);
    if (!(v instanceof Tensor)) throw new Error(`no output ${name}`);
    return v;
  };
  switch (leaves.kind) {
    case "tensor":
      return tensor(leaves.name);
    case "complex": {
      const pairs = tensor(leaves.name);
      return new Tensor(pairs.storage, complexOf(pairs.dtype), pairs.shape.slice(0, -1));
    }
    case "int":
    case "float":
    case "bool":
      return boxed(tensor(leaves.name).item(), leaves.kind);
    case "none":
      return null;
    case "text":
      return leaves.value;
    case "list":
      return makeList(
        T.Any,
        leaves.items.map((i) => datumOf(i, values)),
      );
    case "tuple":
      return makeTuple(leaves.items.map((i) => datumOf(i, values)));
    case "dict":
      return makeDict(
        T.Any,
        T.Any,
        leaves.entries.map(([k, v]) => [k, datumOf(v, values)] as const),
      );
    case "columns": {
      const columns = leaves.names.map((n) => values.get(n));
      const [first] = columns;
      const count = first instanceof Tensor ? (first.shape[0] ?? 0) : (first?.length ?? 0);
      const cell = (column: Value | undefined, i: number, kind: Leaves["kind"]): Datum => {
        if (!(column instanceof Tensor)) {
          const own = column?.[i] ?? null;
          if (kind !== "columns" || own === null) return own;
          return makeList(
            T.Any,
            Array.from(elements(own), (v) =>
              boxed(own.dtype === "bool" ? Number(v) !== 0 : v, own.dtype === "bool" ? "bool" : own.dtype === "float64" ? "float" : "int"),
            ),
          );
        }
        const v = column.data[i] ?? 0;
        return boxed(kind === "bool" ? v !== 0 : v, kind === "bool" ? "bool" : kind === "float" ? "float" : "int");
      };
      const item = (i: number): Datum => {
        let at = 0;
        const build = (l: Leaves): Datum => (l.kind === "tuple" ? makeTuple(l.items.map(build)) : cell(columns[at++], i, l.kind));
        return build(leaves.item);
      };
      return makeList(
        T.Any,
        Array.from({ length: count }, (_, i) => item(i)),
      );
    }
    default:
      return leaves satisfies never;
  }
}

/** Whether a value is tensors, numbers and containers of them. */
export function isPlain(json: Json): boolean {
  const v = object(json);
  if ("tensor" in v) return !String(v["dtype"]).startsWith("complex");
  if ("int" in v || "float" in v || "bool" in v || "none" in v || "check" in v) return true;
  if ("list" in v) return array(v["list"]).every(isPlain);
  if ("tuple" in v) return array(v["tuple"]).every(isPlain);
  if ("namedtuple" in v) return array(v["fields"]).every((f) => isPlain(array(f)[1] ?? null));
  return "dict" in v && array(v["dict"]).every((e) => isPlain(array(e)[1] ?? null));
}

export function casesUnder(dir: string): string[] {
  if (existsSync(join(dir, "case.json"))) return CASE_FILES.some((f) => f !== "model.pth" && existsSync(join(dir, f))) ? [dir] : [];
  return readdirSync(dir, { withFileTypes: true })
    .filter((e) => e.isDirectory())
    .map((e) => e.name)
    .sort()
    .flatMap((name) => casesUnder(join(dir, name)));
}

export type Verdict = { readonly kind: "passed" } | { readonly kind: "refused" | "failed"; readonly reason: string };
/** Runs a converted model here: outputs by name, sequences as arrays. */
export async function runHere(files: ReadonlyMap<string, Uint8Array>, feeds: readonly Feed[]): Promise<Map<string, Value>> {
  const model = await load(files.get("model.onnx") ?? new Uint8Array(), {
    siblings: Object.fromEntries([...files].filter(([n]) => n !== "model.onnx").map(([n, b]) => [n, new Uint8Array(b)] as const)),
  });
  const session = await model.session();
  const returned = await session.invoke("forward", [], Object.fromEntries(feeds.map((f) => [f.name, f.tensor])));
  const { value } = returned;
  const items = typeof value === "object" && value !== null && "kind" in value && value.kind === "tuple" ? value.items : [];
  return new Map(
    session.outputNames.map((name, i): [string, Value] => {
      const v = items[i] ?? null;
      if (v instanceof Tensor) return [name, v];
      const list = typeof v === "object" && v !== null && "kind" in v && v.kind === "list" ? v.items : [];
      return [name, list.filter((t): t is Tensor => t instanceof Tensor)];
    }),
  );
}

export async function judge(
  session: Session,
  exported: Exported,
  call: JsonObject,
  arrays: Arrays,
  tol: Tolerance,
  reference: Reference | undefined,
  advance: () => Promise<void>,
): Promise<Verdict> {
  const files = exported.model.files("model.onnx");
  const feeds = exported.inputs.map((i) => {
    const pairs = dtypeInfo(i.example.dtype).class === "complex";
    const { data } = i.example;
    const copy = pairs
      ? Tensor.from(data.slice(), [...i.example.shape, 2], i.example.dtype === "complex128" ? "float64" : "float32")
      : new Tensor(Storage.wrap(new Uint8Array(data.slice().buffer), false), i.example.dtype, i.example.shape);
    return { name: i.name, tensor: copy };
  });
  const answers: [string, Map<string, Value>][] = [];
  try {
    answers.push(["here", await runHere(files, feeds)]);
  } catch (error) {
    return {
      kind: "failed",
      reason: `here: ${isOpwiseError(error) ? `${error.message} ${error.got ?? ""} at ${error.where.op ?? ""} ${error.where.node ?? ""}` : String(error)}`,
    };
  }
  if (reference !== undefined) {
    try {
      answers.push(["onnxruntime", await reference.run(files, feeds)]);
    } catch (error) {
      return { kind: "failed", reason: `onnxruntime: ${error instanceof Error ? error.message : String(error)}` };
    }
  }
  await advance();
  for (const [where, values] of answers) {
    const difference = compare(datumOf(exported.output, values), T.Any, call["returns"] ?? null, arrays, tol);
    if (difference !== undefined) return { kind: "failed", reason: `${where}: ${difference}` };
    for (const { path, value } of exported.state) {
      const want = session.attribute(path);
      const different = sameData(datumOf(value, values), want.value, tol);
      if (different !== undefined) return { kind: "failed", reason: `${where}: state ${path}: ${different}` };
    }
  }
  return { kind: "passed" };
}
/** The tensor with one more slice along each axis of a size. */
function grown(t: Tensor, size: number): Tensor {
  const shape = t.shape.map((n) => (n === size ? n + 1 : n));
  if (shape.every((n, i) => n === t.shape[i])) return t;
  const out = Tensor.zeros(shape, t.dtype);
  const [from, to] = [t.data, out.storage.array(dtypeInfo(t.dtype).carrier)];
  const lanes = dtypeInfo(t.dtype).lanes;
  const n = shape.reduce((a, b) => a * b, 1);
  const index = shape.map(() => 0);
  for (let i = 0; i < n; i++) {
    let at = 0;
    // The last slice comes twice.
    index.forEach((k, axis) => (at = at * (t.shape[axis] ?? 1) + Math.min(k, (t.shape[axis] ?? 1) - 1)));
    for (let lane = 0; lane < lanes; lane++) to[i * lanes + lane] = from[at * lanes + lane] ?? 0;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      index[axis] = (index[axis] ?? 0) + 1;
      if ((index[axis] ?? 0) < (shape[axis] ?? 1)) break;
      index[axis] = 0;
    }
  }
  return out;
}
/** Whether the converted model follows its inputs to other sizes: each size one larger, where the model itself takes it. Counts how many were compared. */
export async function judgeSizes(
  session: Session,
  exported: Exported,
  call: RecordedCall,
): Promise<{ readonly compared: number; readonly reason: string | undefined }> {
  const [method, args = [], kwargs = {}] = call.make();
  const given = exported.inputs.filter((i) => i.state === undefined);
  const sizes = new Set(given.flatMap((i) => i.example.shape.filter((n, axis) => n > 1 && typeof i.dims[axis] === "string")));
  const files = exported.model.files("model.onnx");
  let compared = 0;
  for (const size of sizes) {
    const resize = (value: Input): Input => {
      if (value instanceof Tensor) return grown(value, size);
      if (value instanceof Map) return new Map([...(value as ReadonlyMap<Input, Input>)].map(([k, v]) => [k, resize(v)] as const));
      return Array.isArray(value) ? value.map((v: Input) => resize(v)) : value;
    };
    let want: Datum;
    try {
      want = (
        await session.invoke(
          method,
          args.map((a) => resize(structuredCloneOf(a))),
          Object.fromEntries(Object.entries(kwargs).map(([k, v]) => [k, resize(structuredCloneOf(v))])),
        )
      ).value;
    } catch {
      continue; // not a size that the model takes
    }
    let values: Map<string, Value>;
    try {
      values = await runHere(
        files,
        given.map((i) => ({ name: i.name, tensor: copyOf(grown(i.example, size)) })),
      );
    } catch {
      continue; // an error is no wrong number
    }
    compared++;
    const difference = sameData(datumOf(exported.output, values), want, { atol: 1e-4, rtol: 1e-4 });
    if (difference !== undefined) return { compared, reason: `with ${size + 1} in place of ${size}: ${difference}` };
  }
  return { compared, reason: undefined };
}
function copyOf(t: Tensor): Tensor {
  const { data } = t;
  return new Tensor(Storage.wrap(new Uint8Array(data.slice().buffer), false), t.dtype, [...t.shape]);
}
function structuredCloneOf(value: Input): Input {
  if (value instanceof Tensor) return copyOf(value);
  return Array.isArray(value) ? value.map((v: Input) => structuredCloneOf(v)) : value;
}

/** What differs between two data, numbers within the tolerance. */
function sameData(got: Datum, want: Datum, tol: Tolerance): string | undefined {
  if (want instanceof Tensor) {
    if (!(got instanceof Tensor)) return "no tensor";
    const own = new Tensor(want.storage, want.dtype, want.shape, want.strides, want.offset);
    const loose = { ...tol, atol: Math.max(tol.atol, 1e-5) };
    const v = { tensor: "x", dtype: want.dtype, shape: [...want.shape] };
    const { data } = own;
    return compare(
      got,
      T.Tensor,
      v,
      new Map([["x", { dtype: want.dtype, shape: [...want.shape], data: new Uint8Array(data.slice().buffer) } as never]]),
      loose,
    );
  }
  const bare = (d: Datum): Datum =>
    typeof d === "object" && d !== null && "kind" in d && (d.kind === "int" || d.kind === "float" || d.kind === "bool") ? d.value : d;
  const [a, b] = [bare(got), bare(want)];
  if (typeof b !== "object" || b === null)
    return typeof a === "number" && typeof b === "number"
      ? Math.abs(a - b) <= 1e-6 * Math.max(1, Math.abs(b))
        ? undefined
        : `${a}, wanted ${b}`
      : String(a) === String(b)
        ? undefined
        : `${String(a)}, wanted ${String(b)}`;
  const items = (d: Datum): readonly Datum[] =>
    typeof d === "object" && d !== null && "kind" in d
      ? d.kind === "list" || d.kind === "tuple"
        ? d.items
        : d.kind === "dict"
          ? [...d.entries.values()].map(([, v]) => v)
          : []
      : [];
  const [x, y] = [items(a), items(b)];
  if (x.length !== y.length) return `${x.length} items, wanted ${y.length}`;
  for (let i = 0; i < y.length; i++) {
    const different = sameData(x[i] ?? null, y[i] ?? null, tol);
    if (different !== undefined) return `[${i}]: ${different}`;
  }
  return undefined;
}

/** A recorded case, its model loaded. */
export interface RecordedCase {
  readonly spec: JsonObject;
  readonly arrays: Arrays;
  readonly file: string;
  readonly calls: readonly RecordedCall[];
}
export interface RecordedCall {
  readonly json: JsonObject;
  readonly method: string;
  /** Fresh arguments: calls may write into them. */
  readonly make: () => Parameters<Session["invoke"]>;
  /** Whether arguments and answer are tensors, numbers and containers of them. */
  readonly plain: boolean;
  readonly tolerance: Tolerance;
}
export async function readCase(folder: string): Promise<RecordedCase | undefined> {
  const spec = object(JSON.parse(readFileSync(join(folder, "case.json"), "utf8")) as Json);
  const file = CASE_FILES.map((f) => join(folder, f)).find((f) => existsSync(f));
  if (file === undefined) return undefined;
  const arrays: Arrays = existsSync(join(folder, "data.npz")) ? await readNpz(await openSource(join(folder, "data.npz"))) : new Map();
  const calls = array(spec["calls"])
    .map(object)
    .map((call): RecordedCall => {
      const method = String(call["method"] ?? "forward");
      const named = Object.entries(object(call["kwargs"] ?? {}));
      return {
        json: call,
        method,
        make: () => [method, array(call["args"]).map((a) => inputOf(a, arrays)), Object.fromEntries(named.map(([k, v]) => [k, inputOf(v, arrays)]))],
        plain: "returns" in call && [...array(call["args"]), ...named.map(([, v]) => v)].every(isPlain) && isPlain(call["returns"] ?? null),
        tolerance: {
          atol: Number(call["atol"] ?? spec["atol"] ?? 0),
          rtol: Number(call["rtol"] ?? spec["rtol"] ?? 0),
          shapesOnly: call["check"] === "shape_dtype",
          sequencesAlike: true,
        },
      };
    });
  return { spec, arrays, file, calls };
}
