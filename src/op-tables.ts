/** Meanings of ops by name, imported when a model needs them: a page that runs a common network never fetches the others. */

import { allFunctions, isForeign, type Node, type Program, walkNodes } from "./ir/graph.ts";
import { fetchSchemas } from "./ir/schema-table.ts";
import { onnxMeaning, type OnnxTable, onnxTableOf } from "./ops/onnx/define.ts";
import type { OpTable, Registry } from "./ops/registry.ts";
import { machineOps } from "./run/link.ts";
import { unreachable } from "./tensor/error.ts";
import { once } from "./tensor/once.ts";

export interface OpTables {
  readonly torch: OpTable;
  readonly onnx: OnnxTable;
  readonly registry: Registry;
  /** Whether they are those of the families that most networks are made of. */
  readonly common: boolean;
}

const meanings = once(() => import("./ops/registry.ts"));
const coreOps = once(async (): Promise<OpTable> => (await meanings()).tableOf((await import("./ops/core-families.ts")).coreFamilies));
const commonOps = once(async (): Promise<OpTable> => (await meanings()).tableOf((await import("./ops/common-families.ts")).commonFamilies));
/** All ops, which come with all schemas: the common ones have theirs from the start. */
const allOps = once(async (): Promise<OpTable> => {
  const [{ tableOf }, { torchFamilies }] = await Promise.all([meanings(), import("./ops/families.ts"), fetchSchemas()]);
  return tableOf(torchFamilies);
});
const commonOnnx = once(async (): Promise<OnnxTable> => onnxTableOf((await import("./ops/onnx/common-families.ts")).commonOnnxFamilies));
const allOnnx = once(async (): Promise<OnnxTable> => onnxTableOf((await import("./ops/onnx/index.ts")).onnxFamilies));
const noTorch = (): Promise<OpTable> => Promise.resolve(new Map());
const noOnnx = (): Promise<OnnxTable> => Promise.resolve(new Map());

/** Where ops come from, and whether it is where those of most networks come from. */
type Step = readonly [torch: () => Promise<OpTable>, onnx: () => Promise<OnnxTable>, common: boolean];

/** Tables in the order in which they are tried. Nodes of an ONNX model seldom mean PyTorch's ops. */
const TORCH: readonly Step[] = [
  [coreOps, noOnnx, true],
  [commonOps, noOnnx, true],
  [allOps, noOnnx, false],
];
const ONNX: readonly Step[] = [
  [noTorch, commonOnnx, true],
  [noTorch, allOnnx, false],
  [commonOps, allOnnx, false],
  [allOps, allOnnx, false],
];

/** Begins to import the tables that a program of the format is tried with first, while it is still read: pages fetch both at once. */
export function expectTables(format: string): void {
  const [first] = format === "onnx" ? ONNX : TORCH;
  if (first !== undefined) void Promise.all([meanings(), first[0](), first[1]()]).catch(() => undefined); // whoever needs them asks again, and is told
}

/** As `expectTables`, where the program turns out to have an op that is in none but the last of PyTorch's. */
export function expectUncommon(): void {
  void Promise.all([commonOps(), allOps()]).catch(() => undefined); // as above
}

/** The tables that have every op of the program which this build has. */
export async function tablesFor(program: Program): Promise<OpTables> {
  const { registry } = await meanings();
  let tables: OpTables | undefined;
  for (const [torch, onnx, common] of program.format === "onnx" ? ONNX : TORCH) {
    tables = { torch: await torch(), onnx: await onnx(), registry, common };
    if (!needsMore(program, tables.torch, tables.onnx, registry)) break;
  }
  return tables ?? unreachable("a first table");
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
