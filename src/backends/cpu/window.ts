/** Pooling windows on the CPU, over up to three trailing axes. */

import type { WindowCall } from "../../prims/call.ts";
import { dtypeInfo } from "../../tensor/dtype.ts";
import { OpwiseError, unreachable } from "../../tensor/error.ts";
import { numelOf } from "../../tensor/shape.ts";
import { doublesOf, writeDoubles } from "./dense.ts";

function triple(values: readonly number[], fill: number): readonly [number, number, number] {
  if (values.length > 3) throw new OpwiseError("unsupported-op", `windows over ${values.length} axes`, { wanted: "at most 3" });
  const padded = [...Array.from({ length: 3 - values.length }, () => fill), ...values];
  return [padded[0] ?? fill, padded[1] ?? fill, padded[2] ?? fill];
}

/** Runs a window call. */
export function window(call: WindowCall): void {
  const x = call.operands[0] ?? unreachable("operand");
  const result = call.results[0] ?? unreachable("result");
  const axes = call.kernel.length;
  const lead = numelOf(x.shape.slice(0, x.shape.length - axes));
  const [id, ih, iw] = triple(x.shape.slice(-axes), 1);
  const [od, oh, ow] = triple(result.shape.slice(-axes), 1);
  const [kd, kh, kw] = triple(call.kernel, 1);
  const [sz, sy, sx] = triple(call.stride, 1);
  const [pz, py, px] = triple(call.padBegin, 0);
  const [ez, ey, ex] = triple(call.padEnd, 0);
  const [dz, dy, dx] = triple(call.dilation, 1);
  const values = doublesOf(x);
  const out = new Float64Array(numelOf(result.shape));
  const wantsIndex = call.results.length > 1;
  const indices = wantsIndex ? new Float64Array(out.length) : undefined;
  const isMax = call.reduction === "max";
  // A window that lies outside altogether has the least value there is.
  const { class: kind, itemsize, signed } = dtypeInfo(x.dtype);
  const least = kind !== "int" ? -Infinity : signed ? -(2 ** (8 * itemsize - 1)) : 0;
  let at = 0;
  for (let n = 0; n < lead; n++) {
    const base = n * id * ih * iw;
    for (let oz = 0; oz < od; oz++) for (let oy = 0; oy < oh; oy++) for (let ox = 0; ox < ow; ox++, at++) {
      const [z0, y0, x0] = [oz * sz - pz, oy * sy - py, ox * sx - px];
      let best = isMax ? least : 0;
      let where = -1;
      let inside = 0;
      for (let a = 0; a < kd; a++) {
        const z = z0 + a * dz;
        if (z < 0 || z >= id) continue;
        for (let b = 0; b < kh; b++) {
          const y = y0 + b * dy;
          if (y < 0 || y >= ih) continue;
          for (let e = 0; e < kw; e++) {
            const xx = x0 + e * dx;
            if (xx < 0 || xx >= iw) continue;
            const position = (z * ih + y) * iw + xx;
            const v = values[base + position] as number;
            inside++;
            if (!isMax) best += v;
            else if (v > best || v !== v || where < 0) {
              if (best === best || where < 0) {
                best = v;
                where = position;
              } else if (v !== v) where = position;
            }
          }
        }
      }
      if (!isMax) {
        const clip = (start: number, k: number, size: number, end: number): number => Math.min(start + k, size + end) - start;
        const divisor = call.divisor === "inside" ? inside : call.divisor === "window" ? clip(z0, kd, id, ez) * clip(y0, kh, ih, ey) * clip(x0, kw, iw, ex) : call.divisor;
        best /= divisor;
      }
      out[at] = best;
      if (indices !== undefined) indices[at] = where;
    }
  }
  writeDoubles(result, out);
  const index = call.results[1];
  if (index !== undefined && indices !== undefined) writeDoubles(index, indices);
}
