/** The command line in processes of its own: what it prints, what it writes, and its exit codes. */

import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { readNpy, Tensor, writeNpy, writeNpz } from "../src/index.ts";
import { scriptArchive } from "./support/archive.ts";

vi.setConfig({ testTimeout: 60_000 }); // each process compiles the sources anew

const ROOT = join(import.meta.dirname, "..");
const SHAPES = join(ROOT, "examples/shapes");
const dir = mkdtempSync(join(tmpdir(), "opwise-cli-"));
const at = (name: string): string => join(dir, name);

interface Done {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs `opwise` with the words, in `cwd`. */
function opwise(words: readonly string[], cwd: string = ROOT): Promise<Done> {
  const tsx = import.meta.resolve("tsx");
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ["--import", tsx, join(ROOT, "src/cli/main.ts"), ...words], { cwd });
    let [stdout, stderr] = ["", ""];
    child.stdout.on("data", (part: Buffer) => (stdout += part.toString()));
    child.stderr.on("data", (part: Buffer) => (stderr += part.toString()));
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, stdout, stderr }));
  });
}
const json = (text: string): Record<string, unknown> => JSON.parse(text) as Record<string, unknown>;

const METHODS = `class Net(Module):
  __parameters__ = []
  def forward(self: __torch__.Net,
    x: Tensor,
    scale: float,
    names: List[str]) -> Tuple[Tensor, Dict[str, int]]:
    sizes = annotate(Dict[str, int], {})
    for _0 in range(torch.len(names)):
      torch._set_item(sizes, names[_0], torch.len(names[_0]))
    return (torch.mul(x, scale), sizes)
  def fail(self: __torch__.Net) -> NoneType:
    ops.prim.RaiseException("asked to", "builtins.ValueError")
    return None
`;

beforeAll(() => {
  writeFileSync(at("x.npy"), writeNpy(Tensor.zeros([1, 1, 32, 32])));
  writeFileSync(at("feeds.npz"), writeNpz({ picture: Tensor.zeros([1, 1, 32, 32]) }));
  writeFileSync(at("far.npy"), writeNpy(Tensor.zeros([1, 6])));
  writeFileSync(at("v.npy"), writeNpy(Tensor.from([1, 2], [2], "float32")));
  writeFileSync(at("scale.json"), "2.5");
  writeFileSync(at("names.json"), '["a", "bcd"]');
  writeFileSync(at("methods.pt"), scriptArchive(METHODS));
  writeFileSync(
    at("custom.pt"),
    scriptArchive("class Net(Module):\n  __parameters__ = []\n  def forward(self: __torch__.Net,\n    x: Tensor) -> Tensor:\n    return ops.acme.twice(x)\n"),
  );
  writeFileSync(at("cut.pt"), readFileSync(join(SHAPES, "model.pt")).subarray(0, 9000));
  writeFileSync(at("page.pt"), "<html>not found</html>");
  mkdirSync(at("elsewhere"));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

describe("opwise run", () => {
  it.concurrent("prints a table of the outputs and writes them as .npy", async () => {
    const done = await opwise(["run", join(SHAPES, "model.pt"), "--input", at("x.npy"), "--output", at("out")]);
    expect(done).toMatchObject({ code: 0, stderr: "" });
    expect(done.stdout).toMatch(/^output {2}float32\[1, 6\] {2}min -2\.29358/);
    expect(done.stdout).toMatch(/ran in \d+ ms on cpu/);
    expect(readNpy(readFileSync(at("out/output.npy"))).shape).toEqual([1, 6]);
  });

  it.concurrent("takes ONNX inputs by name or from .npz, and tells how far the outputs are from wanted ones", async () => {
    const model = join(SHAPES, "model.onnx");
    const far = await opwise(["run", model, "--input", `picture=${at("x.npy")}`, "--expect", at("far.npy")]);
    expect(far.code).toBe(1);
    expect(far.stdout).toContain("logits: largest error");
    const near = await opwise(["run", model, "--input", at("feeds.npz"), "--expect", at("far.npy"), "--tolerance", "10"]);
    expect(near.code).toBe(0);
  });

  it.concurrent("takes .json values in order, and answers in JSON", async () => {
    const inputs = ["v.npy", "scale.json", "names.json"].flatMap((name) => ["-i", at(name)]);
    const done = await opwise(["run", at("methods.pt"), ...inputs, "--json", "--output", at("values")]);
    expect(done.code).toBe(0);
    expect(json(done.stdout)["outputs"]).toEqual([
      { name: "output.0", dtype: "float32", shape: [2], file: at("values/output.0.npy") },
      { name: "output.1.a", value: 1, file: at("values/output.1.a.json") },
      { name: "output.1.bcd", value: 3, file: at("values/output.1.bcd.json") },
    ]);
    expect(readdirSync(at("values")).sort()).toEqual(["output.0.npy", "output.1.a.json", "output.1.bcd.json"]);
    expect(Array.from(readNpy(readFileSync(at("values/output.0.npy"))).data, Number)).toEqual([2.5, 5]);
  });

  it.concurrent("runs on a TensorFlow.js that is installed where it is called, and says where calls ran", async () => {
    const done = await opwise(["run", join(SHAPES, "model.pt"), "--input", at("x.npy"), "--backend", "tfjs-cpu"]);
    expect(done.code).toBe(0);
    expect(done.stdout).toMatch(/tfjs-cpu +convolve/);
    const without = await opwise(["run", join(SHAPES, "model.pt"), "--backend", "tfjs"], at("elsewhere"));
    expect(without.code).toBe(2);
    expect(without.stderr).toContain("help: npm install @tensorflow/tfjs-core @tensorflow/tfjs-backend-wasm");
  });

  it.concurrent("exits with 1 where the model raises, 2 where it is called wrongly, 3 where an op is missing, 4 where the file is bad", async () => {
    const codes = async (...words: string[]): Promise<number | null> => (await opwise(words)).code;
    const raised = await opwise(["run", at("methods.pt"), "--method", "fail"]);
    expect(raised.code).toBe(1);
    expect(raised.stderr).toContain("error[model-raised]: asked to");
    const results = await Promise.all([
      codes("run", at("methods.pt"), "--method", "nothing"),
      codes("run", at("methods.pt"), "--colour"),
      codes("run", at("custom.pt"), "-i", at("v.npy")),
    ]);
    expect(results).toEqual([2, 2, 3]);
    const files = await Promise.all([codes("run", at("cut.pt")), codes("inspect", at("page.pt"))]);
    expect(files).toEqual([4, 4]);
  });
});

describe("opwise inspect", () => {
  it.concurrent("tells format, signature, parameters and ops, for people and as JSON", async () => {
    const text = await opwise(["inspect", join(SHAPES, "model.onnx")]);
    expect(text.code).toBe(0);
    expect(text.stdout).toContain("input       picture: Tensor(float32, [batch, 1, 32, 32])");
    expect(text.stdout).toMatch(/3 {2}onnx::Conv@11 +cpu tfjs/);
    const facts = json((await opwise(["inspect", join(SHAPES, "model.pt"), "--json"])).stdout);
    expect(facts).toMatchObject({ format: "torchscript", parameters: { tensors: 11, elements: 6142 }, methods: ["forward"], missing: [] });
  });
});

describe("opwise print", () => {
  it.concurrent("shows the graph with the lines of its source", async () => {
    const done = await opwise(["print", join(SHAPES, "model.pt")]);
    expect(done.code).toBe(0);
    expect(done.stdout).toContain("aten::conv2d");
    expect(done.stdout).toMatch(/train\.py:\d+/);
  });
});

describe("opwise ops", () => {
  it.concurrent("lists PyTorch's operators with where they are declared, and what a model lacks", async () => {
    const [text, listed, model, wrong] = await Promise.all([opwise(["ops"]), opwise(["ops", "--json"]), opwise(["ops", "--missing", join(SHAPES, "model.pt")]), opwise(["ops", "model.pt"])]);
    expect(text.stdout).toMatch(/^\d+ of \d+ overloads that PyTorch registers$/m);
    expect(text.stdout).toMatch(/^ {2}aten::max_pool2d$/m);
    expect(JSON.parse(listed.stdout)).toContainEqual({
      name: "aten::conv2d.padding", state: "declared", family: "aten/convolution", of: "aten::conv2d.padding",
      schema: expect.stringContaining("str padding=") as string,
    });
    expect([model.code, model.stdout]).toEqual([0, `${join(SHAPES, "model.pt")}: nothing is missing\n`]);
    expect(wrong.code).toBe(2);
  });
});

describe("opwise bench", () => {
  it.concurrent("measures a model by its declared shapes, by given ones and by files, and says what is wrong", async () => {
    const [declared, open, files, both, none] = await Promise.all([
      opwise(["bench", join(SHAPES, "model.onnx"), "--shape", "batch=2", "--seconds", "0.2", "--concurrency", "2", "--json"]),
      opwise(["bench", join(SHAPES, "model.onnx")]),
      opwise(["bench", join(SHAPES, "model.pt"), "--backend", "cpu", "--inputs", at("feeds.npz"), "--seconds", "0.2"]),
      opwise(["bench", join(SHAPES, "model.pt"), "--inputs", at("feeds.npz"), "--shape", "x=1"]),
      opwise(["bench", join(SHAPES, "model.pt"), "--concurrency", "0"]),
    ]);
    expect([declared.code, declared.stderr]).toEqual([0, ""]);
    expect(json(declared.stdout)).toMatchObject({ backend: "wasm", concurrency: 2, errors: 0, errorRate: 0, inputs: "made up from declared shapes" });
    expect(open.stderr).toContain("sizes for `batch`");
    expect(files.code).toBe(0);
    expect(files.stdout).toMatch(/on cpu, loaded in \d+ ms, inputs: .*feeds\.npz\n {2}session ready/);
    expect(files.stdout).toMatch(/latency {7}p50 \S+ ms {2}p95 \S+ ms {2}p99/);
    expect([open.code, both.code, none.code]).toEqual([2, 2, 2]);
  });
});

describe("opwise", () => {
  it.concurrent("explains itself", async () => {
    const [help, wrong] = await Promise.all([opwise(["--help"]), opwise(["dance"])]);
    expect([help.code, wrong.code]).toEqual([0, 2]);
    expect(help.stdout).toContain("exit codes: 0 fine");
    expect(wrong.stderr).toContain("there is no command `dance`");
  });
});
