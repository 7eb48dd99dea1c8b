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
import { emitVectorPools, type VectorPoolFunctions } from "./vector-pool.ts";
import { emitWinograd, type WinogradFunctions } from "./winograd-kernels.ts";
import { emitVectorProducts, type VectorProductFunctions } from "./vector-product.ts";

type Pools = ReturnType<typeof emitPools>;

/** Each function of the module, as JavaScript calls it: numbers in, nothing out. */
export type DenseKernels = {
  readonly [
    K in keyof (GemmFunctions &
      VectorProductFunctions &
      PatchFunctions &
      VectorPoolFunctions &
      DepthwiseFunctions &
      RowFunctions &
      CellFunctions &
      AttentionFunctions &
      WinogradFunctions &
      Pools)
  ]: (...args: number[]) => void;
};

/** Compiles the module over a memory. */
export function denseKernels(memory: LinearMemory): DenseKernels {
  const { fusedMultiplyAdd } = features();
  const module = new ModuleBuilder();
  module.importMemory("env", "memory", { initial: 1 });
  const gemm = emitGemm(module, fusedMultiplyAdd);
  const vectorProducts = emitVectorProducts(module, fusedMultiplyAdd);
  emitPatches(module);
  emitDepthwise(module, fusedMultiplyAdd);
  emitPools(module);
  emitVectorPools(module);
  emitRows(module, fusedMultiplyAdd);
  emitCells(module, fusedMultiplyAdd);
  emitAttention(module, fusedMultiplyAdd, gemm, vectorProducts);
  emitWinograd(module, fusedMultiplyAdd, gemm);
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(module.encode()), { env: { memory: memory.memory } });
  return exports as unknown as DenseKernels; // exported under the names that the types have
}
