/** All ONNX families. */

import { activationOps } from "./activations.ts";
import { castOps } from "./casts.ts";
import { convolutionOps } from "./convolution.ts";
import { creationOps } from "./creation.ts";
import type { OnnxOp } from "./define.ts";
import { indexingOps } from "./indexing.ts";
import { normalizationOps } from "./normalization.ts";
import { paddingOps } from "./padding.ts";
import { pictureOps } from "./pictures.ts";
import { pointwiseOps } from "./pointwise.ts";
import { poolingOps } from "./pooling.ts";
import { productOps } from "./products.ts";
import { reductionOps } from "./reductions.ts";
import { resizeOps } from "./resize.ts";
import { samplingOps } from "./sampling.ts";
import { shapeOps } from "./shapes.ts";
import { softmaxOps } from "./softmax.ts";
import { uniqueOps } from "./unique.ts";
import { lossOps } from "./losses.ts";
import { quantizationOps } from "./quantization.ts";
import { randomOps } from "./random.ts";
import { recurrentOps } from "./recurrent.ts";
import { sequenceOps } from "./sequences.ts";
import { determinantOps } from "./determinant.ts";
import { quantizedProductOps } from "./quantized-products.ts";
import { detectionOps } from "./detection.ts";
import { signalOps } from "./signal.ts";
import { stringOps } from "./strings.ts";
import { trainingOps } from "./training.ts";
import { attentionOps } from "./attention.ts";
import { linearAttentionOps } from "./linear-attention.ts";
import { experimentalOps } from "./experiments.ts";
import { mlOps } from "./ml/index.ts";
import { microsoftOps } from "./microsoft/index.ts";

export const onnxFamilies: readonly (readonly OnnxOp[])[] = [
  activationOps,
  castOps,
  convolutionOps,
  creationOps,
  indexingOps,
  normalizationOps,
  paddingOps,
  pictureOps,
  pointwiseOps,
  poolingOps,
  productOps,
  determinantOps,
  reductionOps,
  resizeOps,
  samplingOps,
  shapeOps,
  softmaxOps,
  uniqueOps,
  lossOps,
  randomOps,
  sequenceOps,
  quantizationOps,
  recurrentOps,
  quantizedProductOps,
  detectionOps,
  signalOps,
  stringOps,
  trainingOps,
  attentionOps,
  linearAttentionOps,
  experimentalOps,
  mlOps,
  microsoftOps,
];
