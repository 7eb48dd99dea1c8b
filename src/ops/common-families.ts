/**
 * The families that most networks are made of. The others come with `families.ts`, which is imported where a model has an op that is not here. All overloads of a name
 * are on one side, so that an op's meaning does not depend on which of the two tables it is looked up in; `test/size.test.ts` holds that.
 */

import { activation } from "./aten/activation.ts";
import { adaptivePooling } from "./aten/adaptive-pooling.ts";
import { attention } from "./aten/attention.ts";
import { comparison } from "./aten/comparison.ts";
import { complexOps } from "./aten/complex.ts";
import { conversion } from "./aten/conversion.ts";
import { convolutions } from "./aten/convolution.ts";
import { creation } from "./aten/creation.ts";
import { cumulative } from "./aten/cumulative.ts";
import { dropouts } from "./aten/dropout.ts";
import { einsums } from "./aten/einsum.ts";
import { indexing } from "./aten/indexing.ts";
import { joins } from "./aten/joins.ts";
import { masks } from "./aten/masks.ts";
import { positions } from "./aten/nonzero.ts";
import { normalization } from "./aten/normalization.ts";
import { norms } from "./aten/norms.ts";
import { paddings } from "./aten/padding.ts";
import { parts } from "./aten/parts.ts";
import { arithmetic } from "./aten/pointwise-arithmetic.ts";
import { binary } from "./aten/pointwise-binary.ts";
import { unary } from "./aten/pointwise-unary.ts";
import { pooling } from "./aten/pooling.ts";
import { products } from "./aten/products.ts";
import { rearrange } from "./aten/rearrange.ts";
import { recurrent } from "./aten/recurrent.ts";
import { reduction } from "./aten/reduction.ts";
import { softmaxes } from "./aten/softmax.ts";
import { sorting } from "./aten/sorting.ts";
import { special } from "./aten/special.ts";
import { splits } from "./aten/splits.ts";
import { upsampling } from "./aten/upsample.ts";
import { views } from "./aten/views.ts";
import type { Op } from "./define.ts";
import { opwiseOps } from "./opwise.ts";
import { primFamilies } from "./prim/index.ts";

export const commonFamilies: readonly (readonly Op[])[] = [
  ...Object.values(primFamilies),
  opwiseOps,
  activation,
  adaptivePooling,
  arithmetic,
  attention,
  binary,
  comparison,
  complexOps,
  conversion,
  convolutions,
  creation,
  cumulative,
  dropouts,
  einsums,
  indexing,
  joins,
  masks,
  normalization,
  norms,
  paddings,
  parts,
  pooling,
  positions,
  products,
  rearrange,
  recurrent,
  reduction,
  softmaxes,
  sorting,
  special,
  splits,
  unary,
  upsampling,
  views,
];
