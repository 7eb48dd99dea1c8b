/** Every declared op of the TorchScript world, by family: what a session's op table is made of. */

import { atenFamilies } from "./aten/index.ts";
import type { Op } from "./define.ts";
import { opwiseOps } from "./opwise.ts";
import { primFamilies } from "./prim/index.ts";
import { quantizedDecomposed } from "./quantized-decomposed.ts";
import { quantizedFamilies } from "./quantized/index.ts";
import { visionFamilies } from "./torchvision/index.ts";

/** Families by the files under `src/ops/` that declare them: `aten/pooling`. */
export const namedFamilies: Readonly<Record<string, readonly Op[]>> = Object.fromEntries([
  ...Object.entries(atenFamilies).map(([name, family]) => [`aten/${name}`, family] as const),
  ...Object.entries(primFamilies).map(([name, family]) => [`prim/${name}`, family] as const),
  ...Object.entries(visionFamilies).map(([name, family]) => [`torchvision/${name}`, family] as const),
  ...Object.entries(quantizedFamilies).map(([name, family]) => [`quantized/${name}`, family] as const),
  ["quantized-decomposed", quantizedDecomposed],
  ["opwise", opwiseOps],
]);

export const torchFamilies: readonly (readonly Op[])[] = Object.values(namedFamilies);
