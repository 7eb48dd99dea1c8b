/**
 * `npm run convert-tests -- DIR [DIR…] [--python PYTHON] [--opset N] [--filter TEXT] [--show N]`: converts the method of each recorded call, with the state it
 * has then, to ONNX; runs the model here and in onnxruntime; compares both with the recorded answer, and what is left in the module's state with its own.
 */

import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { createInterface } from "node:readline";
import { openSource } from "../src/bytes/source.ts";
import { readNpz } from "../src/bytes/npz.ts";
import { type Exported, type Leaves, load, type Session } from "../src/index.ts";
import { boxed, type Datum, makeDict, makeList, makeTuple } from "../src/ir/datum.ts";
import { T } from "../src/ir/type.ts";
import { complexOf, DTYPES, dtypeInfo } from "../src/tensor/dtype.ts";
import { isOpwiseError } from "../src/tensor/error.ts";
import { Storage } from "../src/tensor/storage.ts";
import { Tensor } from "../src/tensor/tensor.ts";
import { CASE_FILES } from "./runner/torch-case.ts";
import { type Arrays, array, compare, elements, inputOf, type Json, type JsonObject, object, type Tolerance } from "./runner/value.ts";

interface Flags {
  readonly dirs: string[];
  python: string | undefined;
  opset: number | undefined;
  filter: string | undefined;
  show: number;
}
function flagsOf(args: readonly string[]): Flags {
  const flags: Flags = { dirs: [], python: undefined, opset: undefined, filter: undefined, show: Infinity };
  for (let i = 0; i < args.length; i++) {
    const next = (): string => args[++i] ?? "";
    const arg = args[i] ?? "";
    if (arg === "--python") flags.python = next();
    else if (arg === "--opset") flags.opset = Number(next());
    else if (arg === "--filter") flags.filter = next();
    else if (arg === "--show") flags.show = Number(next());
    else flags.dirs.push(arg);
  }
  return flags;
}

/** onnxruntime in a process of its own, asked one model at a time. */
class Reference {
  readonly #child: ChildProcess;
  readonly #waiting: ((line: string) => void)[] = [];
  readonly folder: string = mkdtempSync(join(tmpdir(), "convert-"));
  constructor(python: string) {
    this.#child = spawn(python, [join(import.meta.dirname, "convert/reference.py")], { stdio: ["pipe", "pipe", "inherit"] });
    const { stdout } = this.#child;
    if (stdout !== null) createInterface({ input: stdout }).on("line", (line) => this.#waiting.shift()?.(line));
    this.#child.on("exit", () => {
      for (const answer of this.#waiting.splice(0)) answer(JSON.stringify({ error: "onnxruntime ended" }));
    });
  }
  async run(files: ReadonlyMap<string, Uint8Array>, feeds: readonly { readonly name: string; readonly tensor: Tensor }[]): Promise<Map<string, Value>> {
    mkdirSync(this.folder, { recursive: true });
    for (const [name, bytes] of files) writeFileSync(join(this.folder, name), bytes);
    const parts: Uint8Array[] = [];
    let at = 0;
    const entries = feeds.map(({ name, tensor }) => {
      const { data } = tensor;
      const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
      const entry = { name, dtype: tensor.dtype, shape: tensor.shape, at };
      parts.push(bytes);
      at += bytes.length;
      return entry;
    });
    writeFileSync(join(this.folder, "inputs.bin"), Buffer.concat(parts));
    writeFileSync(join(this.folder, "inputs.json"), JSON.stringify(entries));
    const line = await new Promise<string>((resolve) => {
      this.#waiting.push(resolve);
      this.#child.stdin?.write(`${JSON.stringify({ dir: this.folder })}\n`);
    });
    const answer = object(JSON.parse(line) as Json);
    if (typeof answer["error"] === "string") throw new Error(answer["error"]);
    const bytes = new Uint8Array(readFileSync(join(this.folder, "outputs.bin")));
    const tensorOf = (json: JsonObject): Tensor => {
      const dtype = DTYPES.find((d) => d === json["dtype"]) ?? "float32";
      const shape = array(json["shape"]).map(Number);
      const n = shape.reduce((a, b) => a * b, 1) * dtypeInfo(dtype).itemsize;
      return new Tensor(Storage.wrap(bytes.slice(Number(json["at"]), Number(json["at"]) + n), false), dtype, shape);
    };
    return new Map(array(answer["outputs"]).map(object).map((o) => [String(o["name"]), "items" in o ? array(o["items"]).map((i) => tensorOf(object(i))) : tensorOf(o)]));
  }
  end(): void {
    this.#child.stdin?.end();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
type Value = Tensor | readonly Tensor[];

/** The model's answer as data, put together from the graph's outputs. */
function datumOf(leaves: Leaves, values: ReadonlyMap<string, Value>): Datum {
  const tensor = (name: string): Tensor => {
    const v = values.get(name);
    if (!(v instanceof Tensor)) throw new Error(`no output ${name}`);
    return v;
  };
  switch (leaves.kind) {
    case "tensor": return tensor(leaves.name);
    case "complex": {
      const pairs = tensor(leaves.name);
      return new Tensor(pairs.storage, complexOf(pairs.dtype), pairs.shape.slice(0, -1));
    }
    case "int": case "float": case "bool": return boxed(tensor(leaves.name).item(), leaves.kind);
    case "none": return null;
    case "text": return leaves.value;
    case "list": return makeList(T.Any, leaves.items.map((i) => datumOf(i, values)));
    case "tuple": return makeTuple(leaves.items.map((i) => datumOf(i, values)));
    case "dict": return makeDict(T.Any, T.Any, leaves.entries.map(([k, v]) => [k, datumOf(v, values)] as const));
    case "columns": {
      const columns = leaves.names.map((n) => values.get(n));
      const [first] = columns;
      const count = first instanceof Tensor ? (first.shape[0] ?? 0) : (first?.length ?? 0);
      const cell = (column: Value | undefined, i: number, kind: Leaves["kind"]): Datum => {
        if (!(column instanceof Tensor)) {
          const own = column?.[i] ?? null;
          if (kind !== "columns" || own === null) return own;
          return makeList(T.Any, Array.from(elements(own), (v) => boxed(own.dtype === "bool" ? Number(v) !== 0 : v, own.dtype === "bool" ? "bool" : own.dtype === "float64" ? "float" : "int")));
        }
        const v = column.data[i] ?? 0;
        return boxed(kind === "bool" ? v !== 0 : v, kind === "bool" ? "bool" : kind === "float" ? "float" : "int");
      };
      const item = (i: number): Datum => {
        let at = 0;
        const build = (l: Leaves): Datum => (l.kind === "tuple" ? makeTuple(l.items.map(build)) : cell(columns[at++], i, l.kind));
        return build(leaves.item);
      };
      return makeList(T.Any, Array.from({ length: count }, (_, i) => item(i)));
    }
    default: return leaves satisfies never;
  }
}

/** Whether a value is tensors, numbers and containers of them. */
function isPlain(json: Json): boolean {
  const v = object(json);
  if ("tensor" in v) return !String(v["dtype"]).startsWith("complex");
  if ("int" in v || "float" in v || "bool" in v || "none" in v || "check" in v) return true;
  if ("list" in v) return array(v["list"]).every(isPlain);
  if ("tuple" in v) return array(v["tuple"]).every(isPlain);
  if ("namedtuple" in v) return array(v["fields"]).every((f) => isPlain(array(f)[1] ?? null));
  return "dict" in v && array(v["dict"]).every((e) => isPlain(array(e)[1] ?? null));
}

function casesUnder(dir: string): string[] {
  if (existsSync(join(dir, "case.json"))) return CASE_FILES.some((f) => f !== "model.pth" && existsSync(join(dir, f))) ? [dir] : [];
  return readdirSync(dir, { withFileTypes: true }).filter((e) => e.isDirectory()).map((e) => e.name).sort().flatMap((name) => casesUnder(join(dir, name)));
}

type Verdict = { readonly kind: "passed" } | { readonly kind: "refused" | "failed"; readonly reason: string };
const counts = { passed: 0, refused: 0, failed: 0, other: 0 };
const reasons = new Map<string, number>();

async function runHere(files: ReadonlyMap<string, Uint8Array>, feeds: readonly { readonly name: string; readonly tensor: Tensor }[]): Promise<Map<string, Value>> {
  const model = await load(files.get("model.onnx") ?? new Uint8Array(), { siblings: Object.fromEntries([...files].filter(([n]) => n !== "model.onnx").map(([n, b]) => [n, new Uint8Array(b)] as const)) });
  const session = await model.session();
  const returned = await session.invoke("forward", [], Object.fromEntries(feeds.map((f) => [f.name, f.tensor])));
  const { value } = returned;
  const items = typeof value === "object" && value !== null && "kind" in value && value.kind === "tuple" ? value.items : [];
  return new Map(session.outputNames.map((name, i): [string, Value] => {
    const v = items[i] ?? null;
    if (v instanceof Tensor) return [name, v];
    const list = typeof v === "object" && v !== null && "kind" in v && v.kind === "list" ? v.items : [];
    return [name, list.filter((t): t is Tensor => t instanceof Tensor)];
  }));
}

async function judge(session: Session, exported: Exported, call: JsonObject, arrays: Arrays, tol: Tolerance, reference: Reference | undefined, advance: () => Promise<void>): Promise<Verdict> {
  const files = exported.model.files("model.onnx");
  const feeds = exported.inputs.map((i) => {
    const pairs = dtypeInfo(i.example.dtype).class === "complex";
    const { data } = i.example;
    const copy = pairs ? Tensor.from(data.slice(), [...i.example.shape, 2], i.example.dtype === "complex128" ? "float64" : "float32") : new Tensor(Storage.wrap(new Uint8Array(data.slice().buffer), false), i.example.dtype, i.example.shape);
    return { name: i.name, tensor: copy };
  });
  const answers: [string, Map<string, Value>][] = [];
  try {
    answers.push(["here", await runHere(files, feeds)]);
  } catch (error) {
    return { kind: "failed", reason: `here: ${isOpwiseError(error) ? `${error.message} ${error.got ?? ""} at ${error.where.op ?? ""} ${error.where.node ?? ""}` : String(error)}` };
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
/** What differs between two data, numbers within the tolerance. */
function sameData(got: Datum, want: Datum, tol: Tolerance): string | undefined {
  if (want instanceof Tensor) {
    if (!(got instanceof Tensor)) return "no tensor";
    const own = new Tensor(want.storage, want.dtype, want.shape, want.strides, want.offset);
    const loose = { ...tol, atol: Math.max(tol.atol, 1e-5) };
    const v = { tensor: "x", dtype: want.dtype, shape: [...want.shape] };
    const { data } = own;
    return compare(got, T.Tensor, v, new Map([["x", { dtype: want.dtype, shape: [...want.shape], data: new Uint8Array(data.slice().buffer) } as never]]), loose);
  }
  const bare = (d: Datum): Datum => (typeof d === "object" && d !== null && "kind" in d && (d.kind === "int" || d.kind === "float" || d.kind === "bool") ? d.value : d);
  const [a, b] = [bare(got), bare(want)];
  if (typeof b !== "object" || b === null) return typeof a === "number" && typeof b === "number" ? (Math.abs(a - b) <= 1e-6 * Math.max(1, Math.abs(b)) ? undefined : `${a}, wanted ${b}`) : String(a) === String(b) ? undefined : `${String(a)}, wanted ${String(b)}`;
  const items = (d: Datum): readonly Datum[] => (typeof d === "object" && d !== null && "kind" in d ? (d.kind === "list" || d.kind === "tuple" ? d.items : d.kind === "dict" ? [...d.entries.values()].map(([, v]) => v) : []) : []);
  const [x, y] = [items(a), items(b)];
  if (x.length !== y.length) return `${x.length} items, wanted ${y.length}`;
  for (let i = 0; i < y.length; i++) {
    const different = sameData(x[i] ?? null, y[i] ?? null, tol);
    if (different !== undefined) return `[${i}]: ${different}`;
  }
  return undefined;
}

async function runCase(folder: string, flags: Flags, reference: Reference | undefined): Promise<void> {
  const name = basename(folder);
  const spec = object(JSON.parse(readFileSync(join(folder, "case.json"), "utf8")) as Json);
  const file = CASE_FILES.map((f) => join(folder, f)).find((f) => existsSync(f));
  if (file === undefined) return;
  const arrays: Arrays = existsSync(join(folder, "data.npz")) ? await readNpz(await openSource(join(folder, "data.npz"))) : new Map();
  const model = await load(file);
  const session = await model.session();
  for (const [i, call] of array(spec["calls"]).map(object).entries()) {
    const method = String(call["method"] ?? "forward");
    const make = (): Parameters<Session["invoke"]> => [method, array(call["args"]).map((a) => inputOf(a, arrays)), Object.fromEntries(Object.entries(object(call["kwargs"] ?? {})).map(([k, v]) => [k, inputOf(v, arrays)]))];
    const plain = "returns" in call && [...array(call["args"]), ...Object.values(object(call["kwargs"] ?? {}))].every(isPlain) && isPlain(call["returns"] ?? null);
    let advanced = false;
    const advance = async (): Promise<void> => {
      advanced = true;
      await session.invoke(...make()).catch(() => undefined);
    };
    if (plain) {
      const tol: Tolerance = { atol: Number(call["atol"] ?? spec["atol"] ?? 0), rtol: Number(call["rtol"] ?? spec["rtol"] ?? 0), shapesOnly: call["check"] === "shape_dtype", sequencesAlike: true };
      let verdict: Verdict;
      try {
        const [, args, kwargs] = make();
        const exported = await model.toOnnx({ session, method, args: args ?? [], kwargs: kwargs ?? {}, ...(flags.opset === undefined ? {} : { opset: flags.opset }) });
        verdict = await judge(session, exported, call, arrays, tol, reference, advance);
        const facts = [`${exported.nodes} nodes`, ...(exported.fixed.length > 0 ? [`fixed ${exported.fixed.map((f) => `${f.name}=${f.value}`).join(" ")}`] : []), ...(exported.spelled.size > 0 ? [`spelled ${[...exported.spelled.keys()].join(" ")}`] : [])];
        if (verdict.kind === "passed") console.log(`passed   ${name} call ${i} ${method}: ${facts.join("; ")}`);
      } catch (error) {
        if (!isOpwiseError(error) || error.code === "internal") verdict = { kind: "failed", reason: `conversion: ${error instanceof Error ? (error.stack ?? error.message).split("\n").slice(0, 4).join(" | ") : String(error)}` };
        else {
          const { op, record, line, python } = error.where;
          verdict = { kind: "refused", reason: `${error.message} [${op ?? ""} ${python ?? `${record ?? ""}:${line ?? ""}`}]` };
          const key = `${op ?? ""}: ${error.message}`.slice(0, 110);
          reasons.set(key, (reasons.get(key) ?? 0) + 1);
        }
      }
      counts[verdict.kind]++;
      if (verdict.kind !== "passed") console.log(`${verdict.kind.padEnd(8)} ${name} call ${i} ${method}: ${verdict.reason}`);
    } else counts.other++;
    if (!advanced) await advance();
  }
}

const flags = flagsOf(process.argv.slice(2));
if (flags.dirs.length === 0) {
  console.error("usage: npm run convert-tests -- DIR [DIR…] [--python PYTHON] [--opset N] [--filter TEXT]");
  process.exit(2);
}
const reference = flags.python === undefined ? undefined : new Reference(flags.python);
for (const folder of flags.dirs.flatMap(casesUnder)) {
  if (flags.filter !== undefined && !folder.includes(flags.filter)) continue;
  await runCase(folder, flags, reference).catch((error: unknown) => {
    counts.failed++;
    console.log(`failed   ${basename(folder)}: ${error instanceof Error ? (error.stack ?? error.message).split("\n").slice(0, 3).join(" | ") : String(error)}`);
  });
}
reference?.end();
const total = counts.passed + counts.refused + counts.failed;
console.log("\nrefused, by reason:");
for (const [reason, n] of [...reasons].sort((a, b) => b[1] - a[1])) console.log(`${String(n).padStart(5)}  ${reason}`);
console.log(`\n${total} calls of tensors, numbers and containers of them (${counts.other} others): ${counts.refused} refused, ${((100 * counts.passed) / Math.max(1, total)).toFixed(1)} % converted`);
console.log(`${counts.passed} passed, ${counts.failed} failed`);
process.exitCode = counts.failed > 0 ? 1 : 0;
