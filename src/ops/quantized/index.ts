/** All ops of the `quantized` and `_quantized` namespaces, and aten's over packed parameters. */

import type { Op } from "../define.ts";
import { quantizedActivations } from "./activation.ts";
import { quantizedArithmetic } from "./arithmetic.ts";
import { quantizedConvolutions } from "./convolution.ts";
import { quantizedEmbeddings } from "./embedding.ts";
import { quantizedProducts } from "./products.ts";
import { quantizedRecurrent } from "./recurrent.ts";

/** Families by the files that declare them. */
export const quantizedFamilies: Readonly<Record<string, readonly Op[]>> = {
  products: quantizedProducts,
  convolution: quantizedConvolutions,
  arithmetic: quantizedArithmetic,
  activation: quantizedActivations,
  recurrent: quantizedRecurrent,
  embedding: quantizedEmbeddings,
};
