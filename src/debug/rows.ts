/** Rows of the last axis, for conditions on a live tensor. */

import { dtypeInfo } from "../tensor/dtype.ts";
import { decodeSmallFloat } from "../tensor/text.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { Candidate } from "./match.ts";

/** The largest number of each row of the last axis; NaN where a row has one. */
export function rowMaxima(tensor: Tensor): number[] {
  const info = dtypeInfo(tensor.dtype);
  const width = tensor.shape.at(-1) ?? 1;
  if (info.lanes === 2 || info.class === "string" || width === 0) return [];
  const isCoded = info.class === "float" && info.carrier !== "f32" && info.carrier !== "f64";
  const { data } = tensor;
  const out: number[] = [];
  for (let at = 0; at < data.length; at += width) {
    let most = -Infinity;
    for (let i = at; i < at + width; i++) {
      const v = isCoded ? decodeSmallFloat(tensor.dtype, Number(data[i])) : Number(data[i]);
      if (Number.isNaN(v)) {
        most = v;
        break;
      }
      if (v > most) most = v;
    }
    out.push(most);
  }
  return out;
}

/** A candidate whose health and rows are found out when they are asked for. */
export function candidate(facts: Candidate, tensor: Tensor, health: () => Candidate["health"]): Candidate {
  return {
    ...facts,
    get health() {
      return health();
    },
    get rowmax() {
      return tensor.storage.onHost ? rowMaxima(tensor) : undefined;
    },
  };
}
