/**
 * The families that most networks are made of, those of `core-families.ts` among them. The others come with `families.ts`, which is imported where a model has an op that is not here. All overloads of a name
 * are on one side, so that an op's meaning does not depend on which of the two tables it is looked up in; `test/size.test.ts` holds that.
 */

import { attention } from "./aten/attention.ts";
import { complexOps } from "./aten/complex.ts";
import { creation } from "./aten/creation.ts";
import { cumulative } from "./aten/cumulative.ts";
import { einsums } from "./aten/einsum.ts";
import { norms } from "./aten/norms.ts";
import { parts } from "./aten/parts.ts";
import { binary } from "./aten/pointwise-binary.ts";
import { rearrange } from "./aten/rearrange.ts";
import { recurrent } from "./aten/recurrent.ts";
import { sorting } from "./aten/sorting.ts";
import { special } from "./aten/special.ts";
import { coreFamilies } from "./core-families.ts";
import type { Op } from "./define.ts";
import { opwiseOps } from "./opwise.ts";
import { primFamilies } from "./prim/index.ts";

export const commonFamilies: readonly (readonly Op[])[] = [
  ...coreFamilies,
  ...Object.values(primFamilies).filter((family) => !coreFamilies.includes(family)),
  opwiseOps,
  attention,
  binary,
  complexOps,
  creation,
  cumulative,
  einsums,
  norms,
  parts,
  rearrange,
  recurrent,
  sorting,
  special,
];
