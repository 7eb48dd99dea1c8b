/** Goldens: values recorded elsewhere, as a tape that has numbers and no ops to run. */

import type { Block, Node, Program, Value } from "../../ir/graph.ts";
import { T } from "../../ir/type.ts";
import type { BoundOp } from "../../ops/registry.ts";
import { OpwiseError } from "../../tensor/error.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { Execution, Origin, Tape } from "../compare/tape.ts";

interface GoldenIndex {
  readonly format: string;
  readonly torch?: string;
  readonly ops: readonly { readonly op: string; readonly args: readonly (string | null)[]; readonly outs: readonly string[] }[];
  readonly inputs: readonly string[];
  readonly outputs: readonly (string | null)[];
}

const RECORDED_ELSEWHERE: BoundOp = {
  reads: false,
  run: () => {
    throw new OpwiseError("bad-argument", "a recorded value has no op that could run");
  },
};

/** `aten.addmm.default` as this project names it: `aten::addmm`. */
function opName(text: string): string {
  const [namespace = "aten", name = text, overload = "default"] = text.split(".");
  return `${namespace}::${name}${overload === "default" ? "" : `.${overload}`}`;
}

function indexOf(arrays: ReadonlyMap<string, Tensor>): GoldenIndex {
  const bytes = arrays.get("opwise_index")?.data;
  if (bytes === undefined) {
    // Plain arrays by name: values without a history.
    return { format: "names", ops: [...arrays.keys()].map((name) => ({ op: "golden::value", args: [], outs: [name] })), inputs: [], outputs: [] };
  }
  const json: unknown = JSON.parse(new TextDecoder().decode(Uint8Array.from(bytes as Iterable<number>)));
  if (typeof json !== "object" || json === null || !("format" in json) || json.format !== "opwise.goldens/1")
    throw new OpwiseError("unsupported-format", "the goldens have another version", { wanted: "opwise.goldens/1" });
  return json as unknown as GoldenIndex; // the format says so
}

/** Recorded arrays (of a .npz) as a tape. @throws unsupported-format */
export function tapeOfGoldens(arrays: ReadonlyMap<string, Tensor>, name: string): Tape {
  const index = indexOf(arrays);
  const tensorOf = (key: string | null): Tensor | undefined => (key === null ? undefined : (arrays.get(key.replace("/", ".")) ?? arrays.get(key)));
  const origins = new Map<Tensor, Origin>();
  let storages = 0;
  const inputs = index.inputs.map(tensorOf).filter((t) => t !== undefined);
  for (const t of inputs) origins.set(t, { storage: storages++, version: 0, producer: undefined, writer: undefined });
  let id = 0;
  const nodes: Node[] = [];
  const counts = new Map<string, number>();
  const executions = index.ops.map((op, at): Execution => {
    const outs = op.outs.map(tensorOf).filter((t) => t !== undefined);
    for (const t of outs) origins.set(t, { storage: storages++, version: 0, producer: at, writer: at });
    const results = outs.map((_, i): Value => ({ id: id++, type: T.Tensor, name: index.format === "names" ? op.outs[i] : undefined }));
    const node: Node = { op: opName(op.op), operands: [], attributes: {}, results, blocks: [], name: index.format === "names" ? op.outs[0] : undefined };
    nodes.push(node);
    counts.set(node.op, (counts.get(node.op) ?? 0) + 1);
    return {
      index: at,
      node,
      nth: 0,
      module: "",
      bound: RECORDED_ELSEWHERE,
      args: op.args.map((a) => tensorOf(a) ?? null),
      outs,
      writes: [],
      generator: undefined,
    };
  });
  const body: Block = { inputs: [], nodes, outputs: [] };
  const program: Program = {
    format: "torchscript",
    version: index.torch === undefined ? "goldens" : `torch ${index.torch}`,
    name,
    classes: new Map(),
    functions: new Map(),
    extra: new Map(),
    main: { name: "forward", params: [], returns: T.None, graph: () => body },
  };
  const outputs = index.outputs.map(tensorOf).filter((t) => t !== undefined);
  return {
    program,
    executions,
    inputs,
    outputs,
    bytes: [...arrays.values()].reduce((sum, t) => sum + t.nbytes, 0),
    origin: (t) => origins.get(t),
    recorded: true,
  };
}
