/** torchvision's op library. */

import { dataOp, type Op } from "../define.ts";
import { boxes } from "./boxes.ts";
import { deformables } from "./deformable.ts";
import { regionsOfInterest } from "./regions-of-interest.ts";
import { rotatedBoxes } from "./rotated-boxes.ts";

/** Families by the files that declare them. */
export const visionFamilies: Readonly<Record<string, readonly Op[]>> = {
  boxes, "rotated-boxes": rotatedBoxes, "regions-of-interest": regionsOfInterest, deformable: deformables, index: [dataOp("torchvision::_cuda_version() -> int", () => -1)],
};
