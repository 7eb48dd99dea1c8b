/** All aten families. A family is an array of declared ops; nothing registers itself. */

import type { Op } from "../define.ts";
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
import { views } from "./views.ts";
import { activation } from "./activation.ts";
import { comparison } from "./comparison.ts";
import { complexOps } from "./complex.ts";
import { conversion } from "./conversion.ts";
import { creation } from "./creation.ts";
import { binary } from "./pointwise-binary.ts";
import { unary } from "./pointwise-unary.ts";
import { cumulative } from "./cumulative.ts";
import { dropouts } from "./dropout.ts";
import { losses } from "./loss.ts";
import { norms } from "./norms.ts";
import { randoms } from "./random.ts";
import { special } from "./special.ts";
import { reduction } from "./reduction.ts";
import { softmaxes } from "./softmax.ts";
import { statistics } from "./statistics.ts";

export const atenFamilies: readonly (readonly Op[])[] = [arithmetic, activation, cumulative, dropouts, losses, norms, randoms, special, binary, comparison, complexOps, conversion, creation, reduction, softmaxes, statistics, unary, views, splits, joins, positions, indexing, masks, products, rearrange, scatters, sorting, searching];
