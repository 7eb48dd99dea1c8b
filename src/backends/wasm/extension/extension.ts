/** Kernels that quantised models need and most others do not, with their drivers: a module of its own, imported when a session of a model that may need them is made. */

import type { Call, Region } from "../../../prims/call.ts";
import type { Program } from "../../../prims/program.ts";
import type { View } from "../../../tensor/tensor.ts";
import { type BlockFunctions, emitBlocks } from "./block-gemm.ts";
import { BlockProducts, refusesBlockProduct } from "./block-products.ts";
import { codeMapKernel, isCodeMap } from "./code-maps.ts";
import type { DenseKernels } from "../dense.ts";
import type { Finish } from "../epilogue.ts";
import { IntegerConvolutions, isShortConvolution, refusesShortConvolution } from "./integer-convolutions.ts";
import { emitIntegers, type IntegerFunctions } from "./integer-gemm.ts";
import { isShortProduct, refusesShortProduct, ShortProducts } from "./integer-products.ts";
import type { Launcher } from "../launcher.ts";
import type { Packed } from "../products.ts";
import type { Emit, KernelRuntime } from "../runtime.ts";
import type { Lane } from "../element.ts";
import { emitPools, isOddWindow, type PoolFunctions, runOddWindow } from "./pools.ts";
import { kit, share, type Toolkit } from "./shared.ts";

/** The kernels that are always there, and those of this module. */
export type ExtendedKernels = DenseKernels & { readonly [K in keyof (IntegerFunctions & BlockFunctions & PoolFunctions)]: (...args: number[]) => void };

export interface Extension {
  /** Whether the call is for these kernels, if they do not refuse it. */
  takes(what: Call | Region): boolean;
  refuses(what: Call | Region): string | undefined;
  /** Whether a map goes by vectors of these kernels. */
  isVectorizable(program: Program): boolean;
  mapKernel(program: Program, rank: number, lanes: readonly Lane[]): Emit;
  run(what: Call | Region, addressOf: (view: View) => number, packed: Packed, finish: Finish | undefined): void;
}

export function extensionOf(toolkit: Toolkit, runtime: KernelRuntime, { dense }: Launcher): Extension {
  share(toolkit);
  const { kernels, bytes } = kit.kernelModule<Omit<ExtendedKernels, keyof DenseKernels>>(runtime, (m, fused) => {
    emitIntegers(m);
    emitBlocks(m, fused);
    emitPools(m);
  });
  runtime.pool?.publish(Object.values(kernels), bytes);
  // The families stay uncompiled until they are asked for.
  const all: ExtendedKernels = Object.assign(Object.create(dense) as DenseKernels, runtime.invocable(kernels));
  const products = new ShortProducts(runtime, all);
  const convolutions = new IntegerConvolutions(runtime, all);
  const blocks = new BlockProducts(runtime, all);
  return {
    takes: (what) =>
      (what.kind === "contract" && isShortProduct(what)) ||
      (what.kind === "convolve" && isShortConvolution(what)) ||
      (what.kind === "window" && isOddWindow(what)) ||
      (what.kind === "region" && what.name === "matmul_nbits"),
    refuses: (what) => {
      if (what.kind === "contract") return refusesShortProduct(what);
      if (what.kind === "convolve") return refusesShortConvolution(what);
      if (what.kind === "window") return undefined;
      return what.kind === "region" ? refusesBlockProduct(what) : kit.unreachable(what.kind);
    },
    isVectorizable: isCodeMap,
    mapKernel: codeMapKernel,
    run: (what, addressOf, packed, finish) => {
      if (what.kind === "contract") products.run(what, addressOf, packed, finish);
      else if (what.kind === "convolve") convolutions.run(what, addressOf, packed, finish);
      else if (what.kind === "window") runOddWindow(what, runtime, all, addressOf);
      else if (what.kind === "region") blocks.run(what, addressOf, packed);
    },
  };
}
