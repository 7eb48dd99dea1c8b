/** Meanings of ops by name, imported when a model needs them: a page that runs a common network never fetches the others. */

import { allFunctions, isForeign, type Node, type Program, walkNodes } from "./ir/graph.ts";
import { onnxMeaning, type OnnxTable, onnxTableOf } from "./ops/onnx/define.ts";
import type { OpTable, Registry } from "./ops/registry.ts";
import { machineOps } from "./run/link.ts";

export interface OpTables {
  readonly torch: OpTable;
  readonly onnx: OnnxTable;
  readonly registry: Registry;
}

/** What is imported once for all models; again where it could not be fetched. */
function once<X>(make: () => Promise<X>): () => Promise<X> {
  let made: Promise<X> | undefined;
  return () =>
    (made ??= make().catch((error: unknown) => {
      made = undefined;
      throw error;
    }));
}

const meanings = once(() => import("./ops/registry.ts"));
const commonOps = once(async (): Promise<OpTable> => (await meanings()).tableOf((await import("./ops/common-families.ts")).commonFamilies));
const allOps = once(async (): Promise<OpTable> => (await meanings()).tableOf((await import("./ops/families.ts")).torchFamilies));
const onnxOps = once(async (): Promise<OnnxTable> => onnxTableOf((await import("./ops/onnx/index.ts")).onnxFamilies));

/** The tables that have every op of the program which this build has. */
export async function tablesFor(program: Program): Promise<OpTables> {
  const onnxTable: OnnxTable = program.format === "onnx" ? await onnxOps() : new Map();
  const torch = await commonOps();
  const { registry } = await meanings();
  return { torch: needsMore(program, torch, onnxTable, registry) ? await allOps() : torch, onnx: onnxTable, registry };
}

function needsMore(program: Program, torch: OpTable, onnxTable: OnnxTable, registry: Registry): boolean {
  const seen = new Set<string>();
  const isKnown = ({ op, schema }: Node): boolean =>
    machineOps.has(op) || (schema === undefined ? torch.has(op) || onnxMeaning(onnxTable, op) !== undefined : registry.supports(schema, torch));
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
