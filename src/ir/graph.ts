/** The typed graph that every loader ends in: SSA values, nodes with nested blocks, source locations. */

import type { AuthorPlace } from "./author.ts";
import type { ClassType, EnumType, InterfaceType } from "./class-type.ts";
import type { Dim } from "./dim.ts";
import type { Guard } from "./guard.ts";
import type { Schema } from "./schema.ts";
import type { Template } from "./template.ts";
import type { Type } from "./type.ts";
import type { TraceFrame } from "../tensor/traceback.ts";

/** Where a node comes from. */
export interface Location {
  /** Record or file of the serialised text, `code/__torch__/net.py`; for ONNX the graph's name. */
  readonly record: string;
  /** 1-based line in `record`; 0 where the format has no lines. */
  readonly line: number;
  /** 1-based column of the expression, and its length, where known. */
  readonly column?: number;
  readonly length?: number;
  /** The author's source, `net.py:88`, resolved when first asked for. */
  readonly python?: () => string | undefined;
  /** The expression in the archive's code and in the author's source, for tracebacks; undefined where the code is our own. */
  readonly excerpts?: () => Pick<TraceFrame, "code" | "original"> | undefined;
  /** The author's lines, innermost call first, resolved when asked for. */
  readonly author?: () => readonly AuthorPlace[];
  /** Dotted path of the module that the node belongs to, where the format says so for each node (ONNX, pt2). */
  readonly module?: () => string | undefined;
}

export interface Value {
  /** Unique within a function. */
  readonly id: number;
  type: Type;
  /** The author's name, where one is known; for reading, not unique. */
  name?: string | undefined;
}

export interface Node {
  /** `aten::add.Tensor`, `prim::If`, `onnx::Resize@13`. */
  readonly op: string;
  /** In schema order. Undefined: not given, the schema's default (ONNX: an empty optional input). */
  readonly operands: readonly (Value | undefined)[];
  readonly attributes: Readonly<Record<string, Template>>;
  readonly results: readonly Value[];
  readonly blocks: readonly Block[];
  readonly schema?: Schema | undefined;
  /** The node's own name, where the format has one. */
  readonly name?: string | undefined;
  readonly location?: Location | undefined;
}

export interface Block {
  readonly inputs: readonly Value[];
  readonly nodes: readonly Node[];
  readonly outputs: readonly Value[];
}

export interface Param {
  readonly name: string;
  readonly type: Type;
  readonly default?: Template | undefined;
}

/** A function or method. Its body is made when first asked for (`graph()`), once. */
export interface FunctionDecl {
  /** `forward`, or a free function's qualified name. */
  readonly name: string;
  readonly params: readonly Param[];
  /** The declared or inferred type of the result. */
  readonly returns: Type;
  readonly graph: () => Block;
  readonly location?: Location | undefined;
}

/** A guard on a symbolic size, checked when a run starts. */
export interface SymbolRange {
  readonly symbol: string;
  readonly min: number;
  /** Infinity: no bound. */
  readonly max: number;
}

/** Everything a file holds, as data. */
export interface Program {
  readonly format: "torchscript" | "onnx" | "pt2" | "mobile";
  /** The format's own version text: archive version, `ir 8, ai.onnx 17`, schema 8.20. */
  readonly version: string;
  /** Name of the file. */
  readonly name: string;
  readonly classes: ReadonlyMap<string, ClassType | InterfaceType | EnumType | Type>;
  readonly functions: ReadonlyMap<string, FunctionDecl>;
  /**
   * TorchScript: the root module. ONNX and pt2: absent; `main` takes the inputs and the weights are constants
   * (ONNX) or named `state` (pt2).
   */
  readonly root?: Template | undefined;
  /** Entry function where there is no root module. Results follow `outputs`. */
  readonly main?: FunctionDecl | undefined;
  readonly inputs?: readonly ModelInput[];
  readonly outputs?: readonly ModelOutput[];
  /** Named weights and buffers of a program without a root (pt2), in the order of `main`'s leading parameters; ONNX: initialisers by name. */
  readonly state?: readonly StateEntry[];
  readonly symbols?: readonly SymbolRange[];
  /** pt2: further conditions on the inputs' sizes. */
  readonly guards?: readonly Guard[];
  /** pt2: how arguments and results nest. */
  readonly inputTree?: Tree | undefined;
  readonly outputTree?: Tree | undefined;
  /** pt2: names of the arguments that the first child of `inputTree` holds. */
  readonly argumentNames?: readonly string[] | undefined;
  /** pt2: the arguments that the program was exported with, where the archive holds them; read when asked for. */
  readonly sampleInputs?: (() => Promise<SampleInputs | undefined>) | undefined;
  /** pt2: all programs of the archive, this one among them. */
  readonly programs?: readonly string[] | undefined;
  /** pt2: results of `main` to store back, in order, before the user's outputs. */
  readonly mutations?: readonly Mutation[];
  /** Extra files by name, `_extra_files` of TorchScript; metadata of ONNX. */
  readonly extra: ReadonlyMap<string, string>;
  /** Text of a record for error messages and `print`. */
  readonly sourceText?: (record: string) => string | undefined;
  /** Writes the model again, as `name` and files beside it; absent where its format is not written. */
  readonly write?: (name: string, put: PutFile, options?: WriteOptions) => Promise<void>;
}

/** Takes a file that is written, whole, in pieces. `path` is relative to where the model goes. */
export type PutFile = (path: string, pieces: AsyncIterable<Uint8Array> | Iterable<Uint8Array>) => Promise<void>;

export interface WriteOptions {
  /** ONNX: whether large tensors go into a file of their own; left out: where one file cannot hold them. */
  readonly externalData?: boolean;
}

export interface ModelInput {
  readonly name: string;
  readonly type: Type;
  /** Has an initialiser and may be left out. */
  readonly optional?: boolean;
  /** pt2: what an input that is an int says of the symbols. */
  readonly dim?: Dim | undefined;
}
/** Arguments as they were given to the exporter. */
export interface SampleInputs {
  readonly args: readonly Template[];
  readonly kwargs: ReadonlyMap<string, Template>;
}
export interface ModelOutput {
  readonly name: string;
  readonly type: Type;
}
export interface StateEntry {
  readonly name: string;
  readonly value: Template;
  readonly role: "parameter" | "buffer" | "constant";
  readonly persistent: boolean;
}
export type Mutation = { readonly kind: "buffer"; readonly name: string } | { readonly kind: "input"; readonly index: number };
/** A nest of containers with leaves in order. */
export type Tree =
  | { readonly kind: "leaf" }
  | { readonly kind: "none" }
  | { readonly kind: "tuple" | "list"; readonly children: readonly Tree[] }
  /** Also any registered class: its fields by name, those that were None as `none`. */
  | { readonly kind: "namedtuple"; readonly name: string; readonly fields: readonly string[]; readonly children: readonly Tree[] }
  | { readonly kind: "dict"; readonly keys: readonly (string | number)[]; readonly children: readonly Tree[] };

/** Calls `visit` for every node of a block, nested ones after their owner. */
export function walkNodes(block: Block, visit: (node: Node) => void): void {
  const open = [{ block, next: 0 }];
  for (let top = open.at(-1); top !== undefined; top = open.at(-1)) {
    const node = top.block.nodes[top.next++];
    if (node === undefined) {
      open.pop();
      continue;
    }
    visit(node);
    for (let i = node.blocks.length - 1; i >= 0; i--) open.push({ block: node.blocks[i] as Block, next: 0 });
  }
}

/** Every function of a program: free ones, `main`, and the methods of its classes. */
export function allFunctions(program: Program): ReadonlySet<FunctionDecl> {
  const out = new Set<FunctionDecl>(program.functions.values());
  if (program.main !== undefined) out.add(program.main);
  for (const cls of program.classes.values()) if (cls.kind === "Class") for (const method of cls.methods.values()) out.add(method);
  return out;
}

/** Whether a function is a method of a class that PyTorch has in C++: its body, if it is known, is made here. */
export function isForeign(fn: FunctionDecl): boolean {
  const self = fn.params[0]?.type;
  return self?.kind === "Class" && self.name.startsWith("__torch__.torch.classes.");
}
