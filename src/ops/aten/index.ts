/** All aten families. A family is an array of declared ops; nothing registers itself. */

import type { Op } from "../define.ts";
import { upsampling } from "./upsample.ts";
import { arithmetic } from "./pointwise-arithmetic.ts";
import { splits } from "./splits.ts";
import { joins } from "./joins.ts";
import { positions } from "./nonzero.ts";
import { indexing } from "./indexing.ts";
import { masks } from "./masks.ts";
import { products } from "./products.ts";
import { rearrange } from "./rearrange.ts";
import { scatters } from "./scatters.ts";
import { sorting } from "./sorting.ts";
import { searching } from "./searching.ts";
import { fourier } from "./fourier.ts";
import { factorisations } from "./linalg-factor.ts";
import { linalgProducts } from "./linalg-products.ts";
import { systems } from "./linalg-solve.ts";
import { spectra } from "./linalg-spectral.ts";
import { einsums } from "./einsum.ts";
import { shortTime } from "./stft.ts";
import { viewCopies } from "./view-copies.ts";
import { parts } from "./parts.ts";
import { views } from "./views.ts";
import { activation } from "./activation.ts";
import { comparison } from "./comparison.ts";
import { complexOps } from "./complex.ts";
import { conversion } from "./conversion.ts";
import { creation } from "./creation.ts";
import { binary } from "./pointwise-binary.ts";
import { unary } from "./pointwise-unary.ts";
import { cumulative } from "./cumulative.ts";
import { covariances } from "./covariance.ts";
import { ctcLosses } from "./ctc-loss.ts";
import { histograms } from "./histograms.ts";
import { classLosses } from "./class-loss.ts";
import { orderStatistics } from "./order-statistics.ts";
import { dropouts } from "./dropout.ts";
import { losses } from "./loss.ts";
import { norms } from "./norms.ts";
import { randoms } from "./random.ts";
import { special } from "./special.ts";
import { reduction } from "./reduction.ts";
import { softmaxes } from "./softmax.ts";
import { statistics } from "./statistics.ts";
import { convolutions } from "./convolution.ts";
import { pooling } from "./pooling.ts";
import { adaptivePooling } from "./adaptive-pooling.ts";
import { normalization } from "./normalization.ts";
import { recurrent } from "./recurrent.ts";
import { packedSequences } from "./packed-sequence.ts";
import { paddings } from "./padding.ts";
import { attention } from "./attention.ts";
import { nestedTensors } from "./nested.ts";
import { affineGrids } from "./affine-grid.ts";
import { scaledProducts } from "./scaled-products.ts";
import { blockSums } from "./block-sums.ts";
import { fractionalPooling } from "./fractional-pooling.ts";
import { quantization } from "./quantization.ts";
import { embeddingBags } from "./embedding-bag.ts";
import { gradients } from "./gradients.ts";
import { interpolations } from "./interpolate.ts";

/** Families by the files that declare them. */
export const atenFamilies: Readonly<Record<string, readonly Op[]>> = {
  "pointwise-arithmetic": arithmetic,
  activation,
  covariance: covariances,
  "ctc-loss": ctcLosses,
  histograms,
  "class-loss": classLosses,
  "order-statistics": orderStatistics,
  cumulative,
  dropout: dropouts,
  loss: losses,
  norms,
  random: randoms,
  special,
  "pointwise-binary": binary,
  comparison,
  complex: complexOps,
  conversion,
  creation,
  reduction,
  softmax: softmaxes,
  statistics,
  "pointwise-unary": unary,
  views,
  splits,
  joins,
  nonzero: positions,
  indexing,
  masks,
  products,
  rearrange,
  scatters,
  sorting,
  searching,
  "view-copies": viewCopies,
  parts,
  fourier,
  einsum: einsums,
  stft: shortTime,
  "linalg-factor": factorisations,
  "linalg-products": linalgProducts,
  "linalg-solve": systems,
  "linalg-spectral": spectra,
  convolution: convolutions,
  pooling,
  "adaptive-pooling": adaptivePooling,
  normalization,
  recurrent,
  "packed-sequence": packedSequences,
  padding: paddings,
  attention,
  upsample: upsampling,
  "affine-grid": affineGrids,
  "scaled-products": scaledProducts,
  "block-sums": blockSums,
  "fractional-pooling": fractionalPooling,
  "embedding-bag": embeddingBags,
  gradients,
  interpolate: interpolations,
  nested: nestedTensors,
  quantization,
};
