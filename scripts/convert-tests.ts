/**
 * `npm run convert-tests -- DIR [DIR…] [--python PYTHON] [--opset N] [--filter TEXT] [--sizes]`: converts the method of each recorded call, with the state it
 * has then, to ONNX; runs the model here and, with `--python`, in that Python's onnxruntime; compares both with the recorded answer, and what is left in
 * the module's state with its own. `--sizes`: also with other sizes of the inputs than the examples', against the model itself.
 */

import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { createInterface } from "node:readline";
import { load } from "../src/index.ts";
import { DTYPES, dtypeInfo } from "../src/tensor/dtype.ts";
import { isOpwiseError } from "../src/tensor/error.ts";
import { Storage } from "../src/tensor/storage.ts";
import { Tensor } from "../src/tensor/tensor.ts";
import { casesUnder, type Feed, judge, judgeSizes, readCase, type Reference, type Value, type Verdict } from "./convert/judge.ts";
import { array, type Json, type JsonObject, object } from "./runner/value.ts";

interface Flags {
  readonly dirs: string[];
  python: string | undefined;
  opset: number | undefined;
  filter: string | undefined;
  sizes: boolean;
}
function flagsOf(args: readonly string[]): Flags {
  const flags: Flags = { dirs: [], python: undefined, opset: undefined, filter: undefined, sizes: false };
  for (let i = 0; i < args.length; i++) {
    const next = (): string => args[++i] ?? "";
    const arg = args[i] ?? "";
    if (arg === "--python") flags.python = next();
    else if (arg === "--opset") flags.opset = Number(next());
    else if (arg === "--sizes") flags.sizes = true;
    else if (arg === "--filter") flags.filter = next();
    else flags.dirs.push(arg);
  }
  return flags;
}

/** onnxruntime in a process of its own, asked one model at a time. */
class OnnxRuntime implements Reference {
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
  async run(files: ReadonlyMap<string, Uint8Array>, feeds: readonly Feed[]): Promise<Map<string, Value>> {
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
    return new Map(
      array(answer["outputs"])
        .map(object)
        .map((o) => [String(o["name"]), "items" in o ? array(o["items"]).map((i) => tensorOf(object(i))) : tensorOf(o)]),
    );
  }
  end(): void {
    this.#child.stdin?.end();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
const counts = { passed: 0, refused: 0, failed: 0, other: 0 };
const sizes = { compared: 0, failed: 0 };
const reasons = new Map<string, number>();

async function runCase(folder: string, flags: Flags, reference: Reference | undefined): Promise<void> {
  const name = basename(folder);
  const recorded = await readCase(folder);
  if (recorded === undefined) return;
  const model = await load(recorded.file);
  const session = await model.session();
  for (const [i, call] of recorded.calls.entries()) {
    let advanced = false;
    const advance = async (): Promise<void> => {
      advanced = true;
      await session.invoke(...call.make()).catch(() => undefined);
    };
    if (!call.plain) counts.other++;
    else {
      let verdict: Verdict;
      let facts = "";
      try {
        const [method, args = [], kwargs = {}] = call.make();
        const exported = await model.toOnnx({ session, method, args, kwargs, ...(flags.opset === undefined ? {} : { opset: flags.opset }) });
        const fixed = exported.fixed.map((f) => `${f.name}=${f.value}`).join(" ");
        facts = [
          `${exported.nodes} nodes`,
          fixed === "" ? "" : `fixed ${fixed}`,
          exported.spelled.size > 0 ? `spelled ${[...exported.spelled.keys()].join(" ")}` : "",
        ]
          .filter((f) => f !== "")
          .join("; ");
        if (flags.sizes && exported.state.length === 0 && exported.mutated.length === 0) {
          const { compared, reason } = await judgeSizes(session, exported, call);
          sizes.compared += compared;
          if (reason !== undefined) {
            sizes.failed++;
            console.log(`sizes    ${name} call ${i} ${call.method}: ${reason}`);
          }
        }
        verdict = await judge(session, exported, call.json, recorded.arrays, call.tolerance, reference, advance);
      } catch (error) {
        verdict = verdictOf(error);
      }
      counts[verdict.kind]++;
      console.log(`${verdict.kind.padEnd(8)} ${name} call ${i} ${call.method}: ${verdict.kind === "passed" ? facts : verdict.reason}`);
    }
    if (!advanced) await advance();
  }
}
/** A refusal names its node and line; any other error of the conversion is a failure. */
function verdictOf(error: unknown): Verdict {
  if (!isOpwiseError(error) || error.code === "internal") {
    const text = error instanceof Error ? (error.stack ?? error.message).split("\n").slice(0, 4).join(" | ") : String(error);
    return { kind: "failed", reason: `conversion: ${text}` };
  }
  const { op, record, line, python } = error.where;
  const key = `${op ?? ""}: ${error.message}`.slice(0, 110);
  reasons.set(key, (reasons.get(key) ?? 0) + 1);
  return { kind: "refused", reason: `${error.message} [${op ?? ""} ${python ?? `${record ?? ""}:${line ?? ""}`}]` };
}

const flags = flagsOf(process.argv.slice(2));
if (flags.dirs.length === 0) {
  console.error("usage: npm run convert-tests -- DIR [DIR…] [--python PYTHON] [--opset N] [--filter TEXT]");
  process.exit(2);
}
const reference = flags.python === undefined ? undefined : new OnnxRuntime(flags.python);
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
console.log(
  `\n${total} calls of tensors, numbers and containers of them (${counts.other} others): ${counts.refused} refused, ${((100 * counts.passed) / Math.max(1, total)).toFixed(1)} % converted`,
);
if (flags.sizes) console.log(`other sizes: ${sizes.compared} compared, ${sizes.failed} differ`);
console.log(`${counts.passed} passed, ${counts.failed} failed`);
process.exitCode = counts.failed > 0 ? 1 : 0;
