/**
 * The families that most ONNX networks are made of. The others come with `index.ts`, which is imported where a model has an op that is not here. All versions of a name
 * are on one side; `test/size.test.ts` holds that.
 */

import { activationOps } from "./activations.ts";
import { attentionOps } from "./attention.ts";
import { castOps } from "./casts.ts";
import { convolutionOps } from "./convolution.ts";
import { creationOps } from "./creation.ts";
import type { OnnxOp } from "./define.ts";
import { indexingOps } from "./indexing.ts";
import { normalizationOps } from "./normalization.ts";
import { paddingOps } from "./padding.ts";
import { pointwiseOps } from "./pointwise.ts";
import { poolingOps } from "./pooling.ts";
import { productOps } from "./products.ts";
import { quantizationOps } from "./quantization.ts";
import { recurrentOps } from "./recurrent.ts";
import { reductionOps } from "./reductions.ts";
import { resizeOps } from "./resize.ts";
import { shapeOps } from "./shapes.ts";
import { softmaxOps } from "./softmax.ts";

export const commonOnnxFamilies: readonly (readonly OnnxOp[])[] = [
  activationOps,
  attentionOps,
  castOps,
  convolutionOps,
  creationOps,
  indexingOps,
  normalizationOps,
  paddingOps,
  pointwiseOps,
  poolingOps,
  productOps,
  quantizationOps,
  recurrentOps,
  reductionOps,
  resizeOps,
  shapeOps,
  softmaxOps,
];
