/** Meanings of ops by name, imported when a model needs them: a page that runs a common network never fetches the others. */

import { allFunctions, isForeign, type Node, type Program, walkNodes } from "./ir/graph.ts";
import { onnxMeaning, type OnnxTable, onnxTableOf } from "./ops/onnx/define.ts";
import { derive, type OpTable, tableOf } from "./ops/registry.ts";
import { machineOps } from "./run/link.ts";

export interface OpTables {
  readonly torch: OpTable;
  readonly onnx: OnnxTable;
}

/** What is imported once for all models. */
let common: Promise<OpTable> | undefined;
let all: Promise<OpTable> | undefined;
let onnx: Promise<OnnxTable> | undefined;

const commonOps = async (): Promise<OpTable> => tableOf((await import("./ops/common-families.ts")).commonFamilies);
const allOps = async (): Promise<OpTable> => tableOf((await import("./ops/families.ts")).torchFamilies);
const onnxOps = async (): Promise<OnnxTable> => onnxTableOf((await import("./ops/onnx/index.ts")).onnxFamilies);

/** The tables that have every op of the program which this build has. */
export async function tablesFor(program: Program): Promise<OpTables> {
  const onnxTable: OnnxTable = program.format === "onnx" ? await (onnx ??= onnxOps()) : new Map();
  const torch = await (common ??= commonOps());
  return { torch: needsMore(program, torch, onnxTable) ? await (all ??= allOps()) : torch, onnx: onnxTable };
}

function needsMore(program: Program, torch: OpTable, onnxTable: OnnxTable): boolean {
  const seen = new Set<string>();
  const isKnown = ({ op, schema }: Node): boolean =>
    machineOps.has(op) || (schema === undefined ? torch.has(op) || onnxMeaning(onnxTable, op) !== undefined : derive(schema, torch) !== undefined);
  let missing = false;
  for (const fn of allFunctions(program)) {
    if (isForeign(fn)) return true; // packed parameters: their methods are quantized ops
    walkNodes(fn.graph(), (node) => {
      if (missing || seen.has(node.op)) return;
      seen.add(node.op);
      missing = !isKnown(node);
    });
    if (missing) return true;
  }
  return false;
}
