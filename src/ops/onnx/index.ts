/** All ONNX families. */

import { activationOps } from "./activations.ts";
import { castOps } from "./casts.ts";
import { creationOps } from "./creation.ts";
import type { OnnxOp } from "./define.ts";
import { indexingOps } from "./indexing.ts";
import { paddingOps } from "./padding.ts";
import { pointwiseOps } from "./pointwise.ts";
import { reductionOps } from "./reductions.ts";
import { shapeOps } from "./shapes.ts";
import { softmaxOps } from "./softmax.ts";
import { uniqueOps } from "./unique.ts";

export const onnxFamilies: readonly (readonly OnnxOp[])[] = [
  activationOps,
  castOps,
  creationOps,
  indexingOps,
  paddingOps,
  pointwiseOps,
  reductionOps,
  shapeOps,
  softmaxOps,
  uniqueOps,
];
