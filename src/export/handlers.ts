/** Ops with a counterpart in ONNX, by the name of the functional op: what keeps open sizes open. */

import type { Handler } from "./meaning.ts";
import { counting } from "./aten/counting.ts";
import { creation } from "./aten/creation.ts";
import { indexing } from "./aten/indexing.ts";
import { joins } from "./aten/joins.ts";
import { layers } from "./aten/layers.ts";
import { pooling } from "./aten/pooling.ts";
import { products } from "./aten/products.ts";
import { recurrent } from "./aten/recurrent.ts";
import { reductions } from "./aten/reductions.ts";
import { views } from "./aten/views.ts";

export const HANDLERS: Readonly<Record<string, Handler>> = {
  ...counting,
  ...creation,
  ...indexing,
  ...joins,
  ...layers,
  ...pooling,
  ...products,
  ...recurrent,
  ...reductions,
  ...views,
};
