/** The families of com.microsoft. */

import type { OnnxOp } from "../define.ts";
import { aliasOps } from "./aliases.ts";
import { fusedOps } from "./fused.ts";
import { fusedNormOps } from "./normalization.ts";

export const microsoftOps: readonly OnnxOp[] = [...aliasOps, ...fusedOps, ...fusedNormOps];
