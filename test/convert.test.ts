/** TorchScript and .pt2 to ONNX: recorded models are converted, run as ONNX here, and compared with what PyTorch recorded. */

import { join } from "node:path";
import { expect, test } from "vitest";
import { judge, judgeSizes, readCase, runHere } from "../scripts/convert/judge.ts";
import { decodeModel, type GraphProto } from "../src/bytes/onnx-proto.ts";
import { type Exported, load, OpwiseError, Tensor } from "../src/index.ts";

const MODELS = join(import.meta.dirname, "golden/models");

/** Converts each plain call of a case on one instance; gives what differs. */
async function differences(name: string): Promise<string[]> {
  const recorded = await readCase(join(MODELS, name));
  if (recorded === undefined) return [`no case ${name}`];
  const model = await load(recorded.file);
  const session = await model.session();
  const out: string[] = [];
  for (const [i, call] of recorded.calls.entries()) {
    const advance = async (): Promise<void> => void (await session.invoke(...call.make()).catch(() => undefined));
    if (!call.plain) {
      await advance();
      continue;
    }
    const [method, args = [], kwargs = {}] = call.make();
    const exported = await model.toOnnx({ session, method, args, kwargs });
    if (exported.state.length + exported.mutated.length === 0) {
      const { reason } = await judgeSizes(session, exported, call);
      if (reason !== undefined) out.push(`call ${i} ${method}, other sizes: ${reason}`);
    }
    const verdict = await judge(session, exported, call.json, recorded.arrays, call.tolerance, undefined, advance);
    if (verdict.kind !== "passed") out.push(`call ${i} ${method}: ${verdict.reason}`);
  }
  return out;
}

const CONVERTED = [
  "classes",
  "control_flow",
  "dict_inputs",
  "exceptions",
  "inplace_views",
  "language_arguments",
  "language_calls",
  "language_contexts",
  "language_indexed",
  "shared_storage",
  "quantised_codes",
  "quantised_fx",
  "steps",
  "tagger",
  "traced_numbers",
  "traced_patches",
  "vision_preprocess",
  "pt2/attention",
  "pt2/condition",
  "pt2/countdown",
  "pt2/decoder_cache",
  "pt2/indexed",
  "pt2/llama",
  "pt2/loop",
  "pt2/nested",
  "pt2/numbers",
  "pt2/poolings",
  "pt2/scanned",
  "pt2/sizes",
  "pt2/spectra",
  "pt2/unbacked",
  "pt2/writing",
  "pt2_heads",
  "pt2_patches",
];
test.each(CONVERTED)("%s gives the recorded answers as ONNX, also at other sizes", async (name) => {
  expect(await differences(name)).toEqual([]);
});

async function converted(name: string, options: Parameters<Awaited<ReturnType<typeof load>>["toOnnx"]>[0]): Promise<Exported> {
  return (await load(join(MODELS, name, "model.pt"))).toOnnx(options);
}
function graphOf(exported: Exported): GraphProto {
  const { graph } = decodeModel(exported.model.files("m.onnx").get("m.onnx") ?? new Uint8Array());
  if (graph === undefined) throw new Error("a model without a graph");
  return graph;
}
function opsIn(graph: GraphProto): string[] {
  return graph.nodes.flatMap((n) => [n.opType, ...n.attributes.flatMap((a) => (a.value?.kind === "graph" ? opsIn(a.value.value) : []))]);
}

/** A float32 tensor that counts up. */
const counting = (shape: readonly number[]): Tensor =>
  Tensor.from(
    Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => i / 8 - 1),
    shape,
  );

test("numbers that are given are inputs, loops over them Loops, conditions Ifs", async () => {
  const exported = await converted("steps", { args: [counting([3, 4]), 2] });
  expect(exported.inputs.map((i) => `${i.name}: ${i.example.dtype}[${i.dims.join(", ")}]`)).toContain("rounds: int64[]");
  expect(opsIn(graphOf(exported))).toEqual(expect.arrayContaining(["Loop", "If"]));
});

test("what the method writes in the module comes in as state.x and leaves as state.x.next", async () => {
  const exported = await converted("steps", { args: [counting([3, 4]), 2] });
  expect(exported.inputs.filter((i) => i.state !== undefined).map((i) => [i.name, i.state])).toEqual([["state.count", "count"]]);
  expect(exported.outputs).toContain("state.count.next");
  const feeds = exported.inputs.map((i) => ({ name: i.name, tensor: i.example }));
  const values = await runHere(exported.model.files("model.onnx"), feeds);
  const next = values.get("state.count.next");
  expect(next instanceof Tensor ? next.item() : undefined).toBe(1);
});

test("sizes of inputs stay open, and are fixed where that is asked for", async () => {
  const open = await converted("steps", { method: "mix", args: [counting([3, 4]), 0.5] });
  const fixed = await converted("steps", { method: "mix", args: [counting([3, 4]), 0.5], dynamic: false });
  expect(open.inputs[0]?.dims).toEqual(["x_0", "x_1"]);
  expect(fixed.inputs[0]?.dims).toEqual([3, 4]);
});

test("every node names its op and the author's line", async () => {
  const graph = graphOf(await converted("steps", { method: "mix", args: [counting([3, 4]), 0.5] }));
  const mul = graph.nodes.find((n) => n.opType === "Mul");
  expect(mul?.metadata.get("opwise.op")).toMatch(/^aten::(mul|rsub)/);
  expect(mul?.metadata.get("opwise.python")).toMatch(/model_cases\.py:\d+/);
});

test("large data goes beside the model where that is asked for, and is found again", async () => {
  const recorded = await readCase(join(MODELS, "pt2/vit"));
  const [, args = [], kwargs = {}] = recorded?.calls[0]?.make() ?? ["forward"];
  const exported = await (await load(join(MODELS, "pt2/vit/model.pt2"))).toOnnx({ args, kwargs });
  const files = exported.model.files("model.onnx", true);
  expect([...files.keys()]).toEqual(["model.onnx", "model.onnx.data"]);
  const feeds = exported.inputs.map((i) => ({ name: i.name, tensor: i.example }));
  expect((await runHere(files, feeds)).size).toBe(exported.outputs.length);
});

test("what cannot be expressed is refused by node and line", async () => {
  const recorded = await readCase(join(MODELS, "padded_encoder"));
  const [, args = []] = recorded?.calls[0]?.make() ?? ["forward"];
  const error: unknown = await converted("padded_encoder", { args }).catch((e: unknown) => e);
  expect(error).toBeInstanceOf(OpwiseError);
  if (!(error instanceof OpwiseError)) return;
  expect(error.code).toBe("unsupported-op");
  expect(error.where.op).toBe("aten::_nested_tensor_from_mask_left_aligned");
  expect(error.where.python).toMatch(/transformer\.py:\d+/);
});

test("without examples likely inputs are tried, and others asked for", async () => {
  const model = await load(join(MODELS, "traced_patches", "model.pt"));
  expect((await model.toOnnx()).inputs.map((i) => i.example.dtype)).toContain("float32");
  await expect((await load(join(MODELS, "language_arguments", "model.pt"))).toOnnx()).rejects.toThrow(/no example is given for the argument/);
});

test("an opset that is not written is refused", async () => {
  await expect(converted("steps", { method: "mix", args: [counting([3, 4]), 0.5], opset: 16 })).rejects.toThrow(/opset 16/);
});
