/** torchvision's op library. */

import { dataOp, type Op } from "../define.ts";
import { boxes } from "./boxes.ts";
import { deformables } from "./deformable.ts";
import { regionsOfInterest } from "./regions-of-interest.ts";
import { rotatedBoxes } from "./rotated-boxes.ts";

export const visionFamilies: readonly (readonly Op[])[] = [boxes, rotatedBoxes, regionsOfInterest, deformables, [dataOp("torchvision::_cuda_version() -> int", () => -1)]];
