/** The kernels that are not printed from programs: one module, compiled with the backend. */

import { ModuleBuilder } from "../../wasm/module.ts";
import { type AttentionFunctions, emitAttention } from "./attention.ts";
import { type CellFunctions, emitCells } from "./cells.ts";
import { type DepthwiseFunctions, emitDepthwise } from "./depthwise.ts";
import { features } from "./features.ts";
import { emitGemm, type GemmFunctions } from "./gemm.ts";
import { emitIntegers, type IntegerFunctions } from "./integer-gemm.ts";
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
      IntegerFunctions &
      WinogradFunctions &
      Pools)
  ]: (...args: number[]) => void;
};

/** The module, compiled, and its functions over a memory. */
export function denseKernels(memory: LinearMemory): { readonly module: WebAssembly.Module; readonly kernels: DenseKernels } {
  const { fusedMultiplyAdd } = features();
  const module = new ModuleBuilder();
  module.importMemory("env", "memory", memory.limits);
  module.importGlobal("env", "spill", "i32");
  const gemm = emitGemm(module, fusedMultiplyAdd);
  const vectorProducts = emitVectorProducts(module, fusedMultiplyAdd);
  emitPatches(module);
  emitDepthwise(module, fusedMultiplyAdd);
  emitPools(module);
  emitRows(module, fusedMultiplyAdd);
  emitCells(module, fusedMultiplyAdd, vectorProducts);
  emitAttention(module, fusedMultiplyAdd, gemm, vectorProducts);
  emitIntegers(module);
  emitWinograd(module, fusedMultiplyAdd, gemm);
  const compiled = new WebAssembly.Module(module.encode());
  const { exports } = new WebAssembly.Instance(compiled, { env: { memory: memory.memory, spill: SPILL_START } });
  return { module: compiled, kernels: exports as unknown as DenseKernels }; // exported under the names that the types have
}
