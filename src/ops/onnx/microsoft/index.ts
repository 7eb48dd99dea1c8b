/** The families of com.microsoft. */

import type { OnnxOp } from "../define.ts";
import { aliasOps } from "./aliases.ts";
import { fusedAttentionOps } from "./attention.ts";
import { blockQuantizedOps } from "./block-quantized.ts";
import { decodingOps } from "./decoding.ts";
import { diffusionOps } from "./diffusion.ts";
import { expertOps } from "./experts.ts";
import { fusedOps } from "./fused.ts";
import { groupedAttentionOps } from "./grouped-attention.ts";
import { fusedNormOps } from "./normalization.ts";
import { quantizedOps } from "./quantized.ts";
import { textOps } from "./texts.ts";
import { visionOps } from "./vision.ts";

export const microsoftOps: readonly OnnxOp[] = [
  ...aliasOps, ...blockQuantizedOps, ...decodingOps, ...diffusionOps, ...expertOps, ...fusedAttentionOps, ...fusedOps, ...fusedNormOps, ...groupedAttentionOps, ...quantizedOps, ...textOps, ...visionOps,
];
