/**
 * The families that networks of convolutions, normalisation and dense layers are made of, and what those use themselves: the first table that is tried. An op has the
 * same meaning in every table that has it; `test/size.test.ts` holds that.
 */

import { activation } from "./aten/activation.ts";
import { adaptivePooling } from "./aten/adaptive-pooling.ts";
import { comparison } from "./aten/comparison.ts";
import { conversion } from "./aten/conversion.ts";
import { convolutions } from "./aten/convolution.ts";
import { dropouts } from "./aten/dropout.ts";
import { indexing } from "./aten/indexing.ts";
import { joins } from "./aten/joins.ts";
import { masks } from "./aten/masks.ts";
import { positions } from "./aten/nonzero.ts";
import { normalization } from "./aten/normalization.ts";
import { paddings } from "./aten/padding.ts";
import { arithmetic } from "./aten/pointwise-arithmetic.ts";
import { unary } from "./aten/pointwise-unary.ts";
import { pooling } from "./aten/pooling.ts";
import { products } from "./aten/products.ts";
import { reduction } from "./aten/reduction.ts";
import { softmaxes } from "./aten/softmax.ts";
import { splits } from "./aten/splits.ts";
import { upsampling } from "./aten/upsample.ts";
import { views } from "./aten/views.ts";
import type { Op } from "./define.ts";
import { conversions } from "./prim/conversions.ts";
import { formats } from "./prim/formats.ts";
import { numberArithmetic } from "./prim/arithmetic.ts";
import { tensorFacts } from "./prim/tensor-facts.ts";

export const coreFamilies: readonly (readonly Op[])[] = [
  activation,
  adaptivePooling,
  arithmetic,
  comparison,
  conversion,
  conversions,
  convolutions,
  dropouts,
  formats,
  indexing,
  joins,
  masks,
  normalization,
  numberArithmetic,
  paddings,
  pooling,
  positions,
  products,
  reduction,
  softmaxes,
  splits,
  tensorFacts,
  unary,
  upsampling,
  views,
];
