/** `opwise instrument MODEL.onnx` and `opwise diff A B`: probes for other runtimes, and what differs as two files are written. */

import { readFileSync, writeFileSync } from "node:fs";
import { load, OpwiseError } from "../index.ts";
import { diffGraphs, diffText, EXIT, graphOf, instrument, parseSelector, resultJson, selectNodes } from "../debug/index.ts";
import { type Arguments, UsageError } from "./arguments.ts";
import { positive } from "./inputs.ts";
import { noMatch } from "./select.ts";

export async function instrumentCommand(args: Arguments): Promise<number> {
  const text = args.options.get("select");
  if (text === undefined) throw new UsageError("which values? --select SELECTOR");
  const model = await load(args.model);
  if (model.format !== "onnx") {
    throw new OpwiseError("unsupported-format", "probes are made of ONNX files", {
      got: model.format,
      hint: "`opwise goldens script pytorch` records every op of a TorchScript file where PyTorch is",
    });
  }
  const graph = graphOf(model.program);
  const selector = parseSelector(text);
  const main = graph.functions[0]?.block;
  const names = selectNodes(graph, selector)
    .flatMap(({ node }) => (node.block === main && node.op !== "prim::Constant" ? node.results.map((id) => graph.values[id]?.name ?? "") : []))
    .filter((name) => name !== "");
  if (names.length === 0) throw noMatch(graph, selector, text);
  const stem = (args.options.get("output") ?? "probe").replace(/\.onnx$/, "");
  const { probes, manifest, script } = instrument(new Uint8Array(readFileSync(args.model)), {
    stem,
    file: args.model,
    values: [...new Set(names)],
    outputs: model.program.outputs?.map((o) => o.name) ?? [],
    batch: positive(args, "batch"),
  });
  for (const probe of probes) writeFileSync(probe.name, probe.bytes);
  writeFileSync(`${stem}.json`, `${JSON.stringify(manifest, undefined, 1)}\n`);
  writeFileSync(`${stem}.py`, script);
  console.log(`wrote ${probes.map((p) => p.name).join(", ")} with ${names.length} values, ${stem}.json and ${stem}.py`);
  console.log(`further outputs may move a runtime's fusions: ${stem}.py says where the model's own outputs changed`);
  console.log(`python ${stem}.py INPUTS.npz GOLDEN.npz && opwise compare GOLDEN.npz ${args.model} -i INPUTS.npz`);
  return EXIT.held;
}

export async function diff(args: Arguments): Promise<number> {
  const other = args.words[0];
  if (other === undefined) throw new UsageError("two models are wanted");
  const [a, b] = [await load(args.model), await load(other)];
  const found = diffGraphs(a.program, b.program);
  console.log(args.flags.has("json") ? resultJson({ schema: "opwise.diff/1", ...found }) : diffText(found));
  return found.nodes.length + found.weights.length > 0 ? EXIT.found : EXIT.held;
}
