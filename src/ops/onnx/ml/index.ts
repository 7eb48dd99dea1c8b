/** The families of ai.onnx.ml. */

import type { OnnxOp } from "../define.ts";
import { featureOps } from "./features.ts";
import { linearOps } from "./linear.ts";
import { lookupOps } from "./lookups.ts";
import { mapOps } from "./maps.ts";
import { treeOps } from "./trees.ts";

export const mlOps: readonly OnnxOp[] = [...featureOps, ...linearOps, ...lookupOps, ...mapOps, ...treeOps];
