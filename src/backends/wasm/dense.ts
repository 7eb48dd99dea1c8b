/** The kernels that are not printed from programs: one module, compiled with the backend. */

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
import { emitWinograd, type WinogradFunctions } from "./winograd-kernels.ts";
import { SPILL_START } from "./thread-protocol.ts";
import { emitVectorProducts, type VectorProductFunctions } from "./vector-product.ts";

type Pools = ReturnType<typeof emitPools>;

/** Each function of the module, as JavaScript calls it: numbers in, nothing out. */
export type DenseKernels = {
  readonly [
    K in keyof (GemmFunctions &
      VectorProductFunctions &
      PatchFunctions &
      DepthwiseFunctions &
      RowFunctions &
      CellFunctions &
      AttentionFunctions &
      WinogradFunctions &
      Pools)
  ]: (...args: number[]) => void;
};

/** A module of kernels over a memory: compiled, its bytes, its functions. */
export interface KernelModule<Kernels> {
  readonly module: WebAssembly.Module;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly kernels: Kernels;
}

/** Compiles what `emit` adds to a module. */
export function kernelModule<Kernels>(memory: LinearMemory, emit: (m: ModuleBuilder, fused: boolean) => void): KernelModule<Kernels> {
  const builder = new ModuleBuilder();
  builder.importMemory("env", "memory", memory.limits);
  builder.importGlobal("env", "spill", "i32");
  emit(builder, features().fusedMultiplyAdd);
  const bytes = builder.encode();
  const module = new WebAssembly.Module(bytes);
  const { exports } = new WebAssembly.Instance(module, { env: { memory: memory.memory, spill: SPILL_START } });
  return { module, bytes, kernels: exports as unknown as Kernels }; // exported under the names that the types have
}

export function denseKernels(memory: LinearMemory): KernelModule<DenseKernels> {
  return kernelModule(memory, (m, fused) => {
    const gemm = emitGemm(m, fused);
    const vectorProducts = emitVectorProducts(m, fused);
    emitPatches(m);
    emitDepthwise(m, fused);
    emitPools(m);
    emitRows(m, fused);
    emitCells(m, fused, vectorProducts);
    emitAttention(m, fused, gemm, vectorProducts);
    emitWinograd(m, fused, gemm);
  });
}
