/** All aten families. A family is an array of declared ops; nothing registers itself. */

import type { Op } from "../define.ts";
import { arithmetic } from "./pointwise-arithmetic.ts";

export const atenFamilies: readonly (readonly Op[])[] = [arithmetic];
