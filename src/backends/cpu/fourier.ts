/** Fourier transforms on the CPU: lines along one axis, in double precision. Each call carries what transforms a line. */

import type { FftCall } from "../../prims/call.ts";
import { unreachable } from "../../tensor/error.ts";
import type { View } from "../../tensor/tensor.ts";
import { pairsOf, writeDoubles } from "./dense.ts";

/** A view with `axis` last. */
function axisLast(view: View, axis: number): View {
  const order = [...view.shape.map((_, i) => i).filter((i) => i !== axis), axis];
  return { storage: view.storage, dtype: view.dtype, offset: view.offset, shape: order.map((i) => view.shape[i] ?? 1), strides: order.map((i) => view.strides[i] ?? 0) };
}

/** Runs an fft call. */
export function fourier(call: FftCall): void {
  const [x = unreachable("operand")] = call.operands;
  const out = call.results[0] ?? unreachable("result");
  const n = x.shape[call.axis] ?? 1;
  const { re, im } = pairsOf(axisLast(x, call.axis));
  const line = new Float64Array(2 * n);
  for (let at = 0; at < re.length; at += n) {
    for (let i = 0; i < n; i++) {
      line[2 * i] = re[at + i] as number; // inside: the lines fill the array
      line[2 * i + 1] = im[at + i] as number;
    }
    const found = call.transform(line, call.inverse);
    for (let i = 0; i < n; i++) {
      re[at + i] = (found[2 * i] as number) * call.scale;
      im[at + i] = (found[2 * i + 1] as number) * call.scale;
    }
  }
  writeDoubles(axisLast(out, call.axis), re, im);
}
