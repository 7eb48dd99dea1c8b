/** The kernels that are not printed from programs: families of them, each a module that is compiled when one of its functions is first asked for. */

import type { Callable } from "../../wasm/code.ts";
import { ModuleBuilder } from "../../wasm/module.ts";
import { unreachable } from "../../tensor/error.ts";
import { type AttentionFunctions, emitAttention } from "./attention.ts";
import { type CellFunctions, emitCells } from "./cells.ts";
import { type DepthwiseFunctions, emitDepthwise } from "./depthwise.ts";
import { emitGemm, type GemmFunctions } from "./gemm.ts";
import { ahead } from "./ahead.ts";
import { type LinearMemory, limitsOf } from "./memory.ts";
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

/** What a module depends on besides what it computes: whether the memory is shared, and whether there is a fused multiply-add. */
export interface Form {
  readonly shared: boolean;
  readonly fused: boolean;
}

/** A family's module, and the families whose functions it imports. */
export interface PrintedFamily {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly needs: readonly Family[];
}

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

const FAMILIES = Object.keys(EMITTERS) as Family[]; // its own keys

/** A module of kernels over a memory: its bytes, its functions. */
export interface KernelModule<Kernels> {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly kernels: Kernels;
}

function printModule({ shared, fused }: Form, emit: (m: ModuleBuilder, fused: boolean) => void): Uint8Array<ArrayBuffer> {
  const builder = new ModuleBuilder();
  builder.importMemory("env", "memory", limitsOf(shared));
  builder.importGlobal("env", "spill", "i32");
  emit(builder, fused);
  return builder.encode();
}

const instantiate = ({ memory }: LinearMemory, bytes: Uint8Array<ArrayBuffer>, imports: WebAssembly.ModuleImports): WebAssembly.Exports =>
  new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: { ...imports, memory, spill: SPILL_START } }).exports;

/** Compiles what `emit` adds to a module. */
export function kernelModule<Kernels>({ memory, form }: KernelRuntime, emit: (m: ModuleBuilder, fused: boolean) => void): KernelModule<Kernels> {
  const bytes = printModule(form, emit);
  return { bytes, kernels: instantiate(memory, bytes, {}) as unknown as Kernels }; // exported under the names that the types have
}

interface Print<F extends Family> extends PrintedFamily {
  readonly functions: Families[F];
}

/** Prints families in a form, each once, and what it imports before it. */
function printer(form: Form): (family: Family) => PrintedFamily {
  const prints: { [F in Family]?: Print<F> } = {};
  const print = <F extends Family>(family: F): Print<F> => {
    const known = prints[family];
    if (known !== undefined) return known;
    const needs: Family[] = [];
    const functions: Families[F][] = [];
    const bytes = printModule(form, (m, fused) => {
      const from = <G extends Family>(other: G): Families[G] => {
        needs.push(other);
        return imported(m, print(other).functions);
      };
      functions.push(EMITTERS[family](m, fused, from));
    });
    const [made] = functions;
    const printed: Print<F> = { bytes, needs, functions: made ?? unreachable("a family that was emitted") };
    prints[family] = printed as (typeof prints)[F];
    return printed;
  };
  return print;
}

/** All families, for `ahead.ts`. */
export function printFamilies(form: Form): ReadonlyMap<Family, PrintedFamily> {
  const print = printer(form);
  return new Map(FAMILIES.map((family) => [family, print(family)]));
}

type Functions = Readonly<Record<string, (...args: number[]) => void>>;

/** The families of a backend, none of them compiled yet. */
export function denseKernels(runtime: KernelRuntime): DenseKernels {
  const { memory, form } = runtime;
  const print = printer(form);
  const known = new Map<Family, Functions>();
  const imports: WebAssembly.ModuleImports = {};
  const compile = (family: Family): Functions => {
    const { bytes, needs } = ahead?.family(family, form) ?? print(family);
    for (const other of needs) kernelsOf(other);
    const kernels = instantiate(memory, bytes, imports) as Functions; // families export nothing else
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
  for (const family of FAMILIES) Object.defineProperty(families, family, { get: () => kernelsOf(family) });
  return families as DenseKernels; // a getter for each
}

/** The functions as a module that imports them calls them. */
function imported<F extends object>(m: ModuleBuilder, functions: F): F {
  const entries = Object.entries(functions) as [string, Callable][]; // families hold nothing else
  return Object.fromEntries(entries.map(([name, { params, result }]) => [name, m.importFunction("env", name, params, result)])) as F; // the same names and types
}
