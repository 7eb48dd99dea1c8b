/** The kernels that are not printed from programs: families of them, each a module that is compiled when one of its functions is first asked for. */

import type { Callable } from "../../wasm/code.ts";
import { ModuleBuilder } from "../../wasm/module.ts";
import { type AttentionFunctions, emitAttention } from "./attention.ts";
import { type CellFunctions, emitCells } from "./cells.ts";
import { type DepthwiseFunctions, emitDepthwise } from "./depthwise.ts";
import { features } from "./features.ts";
import { emitGemm, type GemmFunctions } from "./gemm.ts";
import type { LinearMemory } from "./memory.ts";
import { emitPatches, type PatchFunctions } from "./patches.ts";
import { emitPools } from "./pool.ts";
import { emitRows, type RowFunctions } from "./rows.ts";
import type { KernelRuntime } from "./runtime.ts";
import { emitWinograd, type WinogradFunctions } from "./winograd-kernels.ts";
import { SPILL_START } from "./thread-protocol.ts";
import { emitVectorProducts, type VectorProductFunctions } from "./vector-product.ts";

interface Families {
  readonly gemm: GemmFunctions;
  readonly vectors: VectorProductFunctions;
  readonly patches: PatchFunctions;
  readonly depthwise: DepthwiseFunctions;
  readonly pools: ReturnType<typeof emitPools>;
  readonly rows: RowFunctions;
  readonly cells: CellFunctions;
  readonly attention: AttentionFunctions;
  readonly winograd2: WinogradFunctions;
  readonly winograd4: WinogradFunctions;
}
type Family = keyof Families;

/** Each function as JavaScript calls it: numbers in, nothing out. */
export type DenseKernels = { readonly [F in Family]: { readonly [K in keyof Families[F]]: (...args: number[]) => void } };

/** Emits a family; `from` imports the functions of one that it calls. */
type Emitter<F extends Family> = (m: ModuleBuilder, fused: boolean, from: <G extends Family>(family: G) => Families[G]) => Families[F];

const EMITTERS: { readonly [F in Family]: Emitter<F> } = {
  gemm: emitGemm,
  vectors: emitVectorProducts,
  patches: emitPatches,
  depthwise: emitDepthwise,
  pools: emitPools,
  rows: emitRows,
  cells: (m, fused, from) => emitCells(m, fused, from("vectors")),
  attention: (m, fused, from) => emitAttention(m, fused, from("gemm"), from("vectors")),
  winograd2: (m, fused, from) => emitWinograd(m, fused, from("gemm"), 2),
  winograd4: (m, fused, from) => emitWinograd(m, fused, from("gemm"), 4),
};

/** A module of kernels over a memory: its bytes, its functions. */
export interface KernelModule<Kernels> {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly kernels: Kernels;
}

/** Compiles what `emit` adds to a module. Functions that it imports are in `imports` under their own names. */
export function kernelModule<Kernels>(
  memory: LinearMemory,
  emit: (m: ModuleBuilder, fused: boolean) => void,
  imports: WebAssembly.ModuleImports = {},
): KernelModule<Kernels> {
  const builder = new ModuleBuilder();
  builder.importMemory("env", "memory", memory.limits);
  builder.importGlobal("env", "spill", "i32");
  emit(builder, features().fusedMultiplyAdd);
  const bytes = builder.encode();
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: { ...imports, memory: memory.memory, spill: SPILL_START } });
  return { bytes, kernels: exports as unknown as Kernels }; // exported under the names that the types have
}

type Functions = Readonly<Record<string, (...args: number[]) => void>>;

/** The families of a backend, none of them compiled yet. */
export function denseKernels(runtime: KernelRuntime): DenseKernels {
  const emitted = new Map<Family, object>();
  const known = new Map<Family, Functions>();
  const imports: WebAssembly.ModuleImports = {};
  const compile = (family: Family): Functions => {
    const emit = (m: ModuleBuilder, fused: boolean): void => {
      const from = <G extends Family>(other: G): Families[G] => {
        kernelsOf(other);
        return imported(m, emitted.get(other) as Families[G]); // compiled the line before
      };
      emitted.set(family, EMITTERS[family](m, fused, from));
    };
    const { bytes, kernels } = kernelModule<Functions>(runtime.memory, emit, imports);
    Object.assign(imports, kernels);
    runtime.pool?.publish(Object.values(kernels), bytes);
    return runtime.invocable(kernels);
  };
  const kernelsOf = (family: Family): Functions => {
    let kernels = known.get(family);
    if (kernels === undefined) known.set(family, (kernels = compile(family)));
    return kernels;
  };
  const families = {};
  const names = Object.keys(EMITTERS) as Family[]; // its own keys
  for (const family of names) Object.defineProperty(families, family, { get: () => kernelsOf(family) });
  return families as DenseKernels; // a getter for each
}

/** The functions as a module that imports them calls them. */
function imported<F extends object>(m: ModuleBuilder, functions: F): F {
  const entries = Object.entries(functions) as [string, Callable][]; // families hold nothing else
  return Object.fromEntries(entries.map(([name, { params, result }]) => [name, m.importFunction("env", name, params, result)])) as F; // the same names and types
}
