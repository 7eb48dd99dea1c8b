/** All aten families. A family is an array of declared ops; nothing registers itself. */

import type { Op } from "../define.ts";
import { arithmetic } from "./pointwise-arithmetic.ts";
import { splits } from "./splits.ts";
import { views } from "./views.ts";

export const atenFamilies: readonly (readonly Op[])[] = [arithmetic, views, splits];
