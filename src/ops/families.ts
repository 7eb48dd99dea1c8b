/** Every declared op of the TorchScript world, by family: what a session's op table is made of. */

import { atenFamilies } from "./aten/index.ts";
import type { Op } from "./define.ts";
import { opwiseOps } from "./opwise.ts";
import { primFamilies } from "./prim/index.ts";
import { visionFamilies } from "./torchvision/index.ts";

export const torchFamilies: readonly (readonly Op[])[] = [...atenFamilies, ...primFamilies, ...visionFamilies, opwiseOps];
