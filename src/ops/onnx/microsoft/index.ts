/** The families of com.microsoft. */

import type { OnnxOp } from "../define.ts";
import { aliasOps } from "./aliases.ts";
import { fusedAttentionOps } from "./attention.ts";
import { fusedOps } from "./fused.ts";
import { groupedAttentionOps } from "./grouped-attention.ts";
import { fusedNormOps } from "./normalization.ts";

export const microsoftOps: readonly OnnxOp[] = [...aliasOps, ...fusedAttentionOps, ...fusedOps, ...fusedNormOps, ...groupedAttentionOps];
